#include "record_format.h"

#include <xxhash.h>
#include <zstd.h>

#include <bit>
#include <cassert>
#include <cstring>
#include <memory>

namespace ramfs::log_format {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are stored little-endian");

constexpr uint8_t kKindRecord = 1;
constexpr uint8_t kKindMark = 2;
constexpr uint8_t kFlagZstd = 1;

constexpr uint64_t kTryBytes = 1024;         // below, a compressed block saves no device page
constexpr uint64_t kProbeAbove = 64 * 1024;  // above, ask a sample first
constexpr uint64_t kProbeBytes = 16 * 1024;

// The start of every value. The checksum covers all that follows it and is seeded with the number,
// so that a value found under another key is not believed.
struct Header {
  uint64_t checksum;
  uint8_t version;
  uint8_t kind;
  uint8_t flags;
  uint8_t reserved;
  uint32_t key_bytes;
  uint64_t durable;
  uint64_t low_water;  // a mark: `upto`
  uint64_t size;
  int64_t mtime_ns;
  uint32_t extents;
  uint32_t holes;
};
static_assert(sizeof(Header) == 56);

uint64_t checksum_of(std::string_view bytes, Lsn lsn) {
  bytes.remove_prefix(sizeof(Header::checksum));
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), static_cast<uint64_t>(lsn));
}

void seal(std::string& value, Lsn lsn) {
  uint64_t checksum = checksum_of(value, lsn);
  std::memcpy(value.data(), &checksum, sizeof(checksum));
}

std::string_view as_bytes(const Header& header) {
  return {reinterpret_cast<const char*>(&header), sizeof(header)};
}

std::string_view as_bytes(const std::vector<Extent>& extents) {
  static_assert(sizeof(Extent) == 16 && std::has_unique_object_representations_v<Extent>);
  return {reinterpret_cast<const char*>(extents.data()), extents.size() * sizeof(Extent)};
}

// The bytes of an entry, checked and cut into its parts.
struct Parts {
  Header header;
  std::string_view key;
  std::string_view extents;
  std::string_view holes;
  std::string_view data;
};

std::optional<Parts> split(Lsn lsn, std::string_view bytes) {
  Parts parts;
  if (bytes.size() < sizeof(Header)) return std::nullopt;
  std::memcpy(&parts.header, bytes.data(), sizeof(Header));
  if (parts.header.version != kVersion) return std::nullopt;
  if (parts.header.checksum != checksum_of(bytes, lsn)) return std::nullopt;
  bytes.remove_prefix(sizeof(Header));

  auto take = [&bytes](uint64_t count) -> std::optional<std::string_view> {
    if (count > bytes.size()) return std::nullopt;
    auto part = bytes.substr(0, count);
    bytes.remove_prefix(count);
    return part;
  };
  auto key = take(parts.header.key_bytes);
  auto extents = key ? take(uint64_t{parts.header.extents} * sizeof(Extent)) : std::nullopt;
  auto holes = extents ? take(uint64_t{parts.header.holes} * sizeof(Extent)) : std::nullopt;
  if (!holes) return std::nullopt;
  parts.key = *key;
  parts.extents = *extents;
  parts.holes = *holes;
  parts.data = bytes;
  return parts;
}

std::optional<std::vector<Extent>> read_extents(std::string_view bytes) {
  std::vector<Extent> extents(bytes.size() / sizeof(Extent));
  if (!extents.empty()) std::memcpy(extents.data(), bytes.data(), bytes.size());
  uint64_t last_end = 0;
  for (const Extent& extent : extents) {
    if (extent.begin < last_end || extent.end < extent.begin) return std::nullopt;
    last_end = extent.end;
  }
  return extents;
}

std::optional<uint64_t> total_length(const std::vector<Extent>& extents) {
  uint64_t total = 0;
  for (const Extent& extent : extents) {
    if (extent.length() > kMaxDataBytes - total) return std::nullopt;
    total += extent.length();
  }
  return total;
}

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// Appends `raw` compressed; false, with `out` as it was, when that does not save a tenth.
bool append_compressed(std::string& out, std::string_view raw, int level) {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (!context) return false;
  size_t start = out.size();
  size_t limit = raw.size() - raw.size() / 10;
  out.resize(start + limit);
  size_t used =
      ZSTD_compressCCtx(context.get(), out.data() + start, limit, raw.data(), raw.size(), level);
  bool worth_it = ZSTD_isError(used) == 0;  // "does not fit" is an error too
  out.resize(worth_it ? start + used : start);
  return worth_it;
}

bool append_data(std::string& value, const std::vector<std::string>& pieces, int zstd_level) {
  uint64_t total = 0;
  for (const auto& piece : pieces) total += piece.size();
  if (zstd_level != 0 && total >= kTryBytes) {
    std::string joined;
    std::string_view raw = pieces.front();
    if (pieces.size() > 1) {
      joined.reserve(total);
      for (const auto& piece : pieces) joined += piece;
      raw = joined;
    }
    std::string probe;
    bool promising = total < kProbeAbove ||
                     append_compressed(probe, raw.substr(total / 2, kProbeBytes), zstd_level);
    if (promising && append_compressed(value, raw, zstd_level)) return true;
  }
  value.reserve(value.size() + total);
  for (const auto& piece : pieces) value += piece;
  return false;
}

std::optional<std::vector<std::string>> read_data(const Parts& parts,
                                                  const std::vector<Extent>& extents) {
  auto total = total_length(extents);
  if (!total) return std::nullopt;
  std::string unpacked;
  std::string_view raw = parts.data;
  if ((parts.header.flags & kFlagZstd) != 0) {
    if (ZSTD_getFrameContentSize(raw.data(), raw.size()) != *total) return std::nullopt;
    unpacked.resize(*total);
    if (ZSTD_decompress(unpacked.data(), *total, raw.data(), raw.size()) != *total) {
      return std::nullopt;
    }
    raw = unpacked;
  }
  if (raw.size() != *total) return std::nullopt;
  std::vector<std::string> pieces;
  pieces.reserve(extents.size());
  for (const Extent& extent : extents) {
    pieces.emplace_back(raw.substr(0, extent.length()));
    raw.remove_prefix(extent.length());
  }
  return pieces;
}

}  // namespace

std::string encode_key(EntryKind kind, Lsn lsn) {
  std::string key(1 + sizeof(uint64_t), static_cast<char>(kind));
  uint64_t sorted = __builtin_bswap64(static_cast<uint64_t>(lsn));
  std::memcpy(key.data() + 1, &sorted, sizeof(sorted));
  return key;
}

std::optional<Key> decode_key(std::string_view bytes) {
  if (bytes.size() != 1 + sizeof(uint64_t)) return std::nullopt;
  auto kind = static_cast<EntryKind>(bytes[0]);
  if (kind != EntryKind::forget && kind != EntryKind::record) return std::nullopt;
  uint64_t sorted = 0;
  std::memcpy(&sorted, bytes.data() + 1, sizeof(sorted));
  return Key{kind, Lsn{__builtin_bswap64(sorted)}};
}

std::string encode_record(Lsn lsn, const LogRecord& record, WalPosition durable, int zstd_level) {
  assert(record.extents.size() == record.data.size());
  const std::string& key = record.file.bytes();
  Header header{.checksum = 0,
                .version = kVersion,
                .kind = kKindRecord,
                .flags = 0,
                .reserved = 0,
                .key_bytes = static_cast<uint32_t>(key.size()),
                .durable = static_cast<uint64_t>(durable),
                .low_water = record.low_water,
                .size = record.size,
                .mtime_ns = record.mtime.ns,
                .extents = static_cast<uint32_t>(record.extents.size()),
                .holes = static_cast<uint32_t>(record.holes.size())};
  std::string value(as_bytes(header));
  value += key;
  value += as_bytes(record.extents);
  value += as_bytes(record.holes);
  if (append_data(value, record.data, zstd_level)) {
    value[offsetof(Header, flags)] = static_cast<char>(kFlagZstd);
  }
  seal(value, lsn);
  return value;
}

std::string encode_mark(Lsn lsn, const ForgetMark& mark, WalPosition durable) {
  Header header{};
  header.version = kVersion;
  header.kind = kKindMark;
  header.key_bytes = static_cast<uint32_t>(mark.file.bytes().size());
  header.durable = static_cast<uint64_t>(durable);
  header.low_water = static_cast<uint64_t>(mark.upto);
  std::string value(as_bytes(header));
  value += mark.file.bytes();
  seal(value, lsn);
  return value;
}

std::optional<LogRecord> decode_record(Lsn lsn, std::string_view bytes) {
  auto parts = split(lsn, bytes);
  if (!parts || parts->header.kind != kKindRecord) return std::nullopt;
  auto extents = read_extents(parts->extents);
  auto holes = read_extents(parts->holes);
  if (!extents || !holes) return std::nullopt;
  auto data = read_data(*parts, *extents);
  if (!data) return std::nullopt;
  return LogRecord{.file = FileKey::from_bytes(parts->key),
                   .low_water = parts->header.low_water,
                   .size = parts->header.size,
                   .mtime = Timestamp{parts->header.mtime_ns},
                   .extents = std::move(*extents),
                   .data = std::move(*data),
                   .holes = std::move(*holes)};
}

std::optional<ForgetMark> decode_mark(Lsn lsn, std::string_view bytes) {
  auto parts = split(lsn, bytes);
  if (!parts || parts->header.kind != kKindMark || !parts->data.empty()) return std::nullopt;
  return ForgetMark{FileKey::from_bytes(parts->key), Lsn{parts->header.low_water}};
}

std::optional<Summary> summarize(Lsn lsn, std::string_view bytes) {
  auto parts = split(lsn, bytes);
  if (!parts) return std::nullopt;
  auto extents = read_extents(parts->extents);
  auto total = extents ? total_length(*extents) : std::nullopt;
  if (!total) return std::nullopt;
  return Summary{FileKey::from_bytes(parts->key), WalPosition{parts->header.durable}, *total,
                 parts->data.size()};
}

}  // namespace ramfs::log_format
