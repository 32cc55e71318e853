#include <absl/container/flat_hash_map.h>
#include <fmt/core.h>

#include <filesystem>
#include <stdexcept>

#include "directory.h"
#include "ramfs/log/log.h"
#include "store.h"

namespace ramfs {
namespace {

using log_format::EntryKind;

constexpr uint64_t kReadMemory = 1ull << 30;  // nothing is flushed when only reading

}  // namespace

LogStats read_log(const std::string& directory, const std::function<void(const LogDump&)>& visit) {
  if (!std::filesystem::exists(directory + "/CURRENT")) {
    throw std::runtime_error(fmt::format("log {}: there is no log", directory));
  }
  auto store = LogStore::open(
      {.directory = directory, .mode = LogStore::Mode::read, .memory_bytes = kReadMemory});
  auto version = store->number("version");
  if (version && *version > log_format::kVersion) {
    throw std::runtime_error(newer_format(directory, *version));
  }
  auto epochs = store->epochs();
  LogStats stats{.disk_bytes = store->disk_bytes(), .epochs = epochs.size()};

  absl::flat_hash_map<FileKey, Lsn> forgotten;
  auto marks = store->scan(epochs, EntryKind::forget, [&](Epoch, auto key, auto value) {
    auto parsed = log_format::decode_key(key);
    auto mark = parsed ? log_format::decode_mark(parsed->lsn, value) : std::nullopt;
    if (mark) forgotten[mark->file] = std::max(forgotten[mark->file], mark->upto);
    return Result<void>();
  });
  auto records = store->scan(epochs, EntryKind::record, [&](Epoch, auto key, auto value) {
    auto parsed = log_format::decode_key(key);
    auto record = parsed ? log_format::decode_record(parsed->lsn, value) : std::nullopt;
    auto summary = parsed ? log_format::summarize(parsed->lsn, value) : std::nullopt;
    if (!record || !summary) return Result<void>();
    auto forget = forgotten.find(record->file);
    bool is_forgotten = forget != forgotten.end() && parsed->lsn <= forget->second;
    ++stats.records;
    stats.record_bytes += summary->data_bytes;
    stats.stored_bytes += value.size();
    if (!is_forgotten) stats.live_bytes += value.size();
    visit({parsed->lsn, std::move(*record), value.size(), is_forgotten});
    return Result<void>();
  });
  if (!marks || !records) {
    throw std::runtime_error(fmt::format("log {} cannot be read: input/output error", directory));
  }
  return stats;
}

}  // namespace ramfs
