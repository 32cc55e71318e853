#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ramfs/base/ids.h"
#include "ramfs/base/result.h"

namespace ramfs {

// One entry of the ledger is one cell, or several in a row where the first tells how many. Its
// header is stored last, so a reader sees an entry whole or, its header still zero, not at all.
// Written and read on one machine between two boots, so in the machine's own byte order.
enum class CellKind : uint8_t {
  snapshot = 1,  // all that counts of a slot; what was said of it before is void
  write = 2,
  size = 3,
  clean = 4,
  discard = 5,
};

struct LedgerCell {
  uint64_t header;  // magic, kind, number of cells; zero: not there yet
  uint64_t slot;
  uint64_t begin;  // snapshot: bytes of the file key behind this cell
  uint64_t end;    // snapshot: extents behind the key, which is padded to 16 bytes
  uint64_t size;
  int64_t mtime;
  uint64_t noted;  // snapshot: size and mtime are known
  uint64_t unused;

  static uint64_t make_header(CellKind kind, uint64_t cells) {
    return kMagic << 40 | static_cast<uint64_t>(kind) << 32 | cells;
  }
  bool has_magic() const { return header >> 40 == kMagic; }
  CellKind kind() const { return static_cast<CellKind>(header >> 32 & 0xff); }
  uint64_t cells() const { return header & 0xffffffff; }

 private:
  static constexpr uint64_t kMagic = 0x524c47;
};
static_assert(sizeof(LedgerCell) == 64);

// Stores that a reader after our death finds in this order.
template <class T>
void store_in_order(T& field, T value) {
  std::atomic_ref<T>(field).store(value, std::memory_order_release);
}

// A file of the ledger, mapped for appending. Its pages are allocated when it is made: a full tmpfs
// is an error then, and no SIGBUS later. Not thread-safe. The file stays when this goes.
class LedgerSegment {
 public:
  static Result<std::unique_ptr<LedgerSegment>> create(int directory, uint64_t number,
                                                       size_t cells);
  ~LedgerSegment();
  LedgerSegment(const LedgerSegment&) = delete;
  LedgerSegment& operator=(const LedgerSegment&) = delete;

  // Room for an entry; null: full.
  LedgerCell* reserve(size_t cells);
  bool has_room(size_t cells) const { return cells <= capacity_ - used_; }

  uint64_t number() const { return number_; }
  size_t used() const { return used_; }

  static std::string file_name(uint64_t number);
  static std::optional<uint64_t> parse_file_name(std::string_view name);

 private:
  LedgerSegment(uint64_t number, LedgerCell* cells, size_t capacity)
      : number_(number), cells_(cells), capacity_(capacity) {}

  const uint64_t number_;
  LedgerCell* const cells_;
  const size_t capacity_;
  size_t used_ = 0;
};

}  // namespace ramfs
