#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "arena/ledger_segment.h"
#include "ramfs/base/extent_set.h"
#include "ramfs/base/file_key.h"
#include "ramfs/base/mutex.h"
#include "ramfs/base/timestamp.h"

namespace ramfs {

// What the next daemon must know of one slot.
struct LedgerSlot {
  FileKey file;
  bool noted = false;  // size and mtime mean something
  uint64_t size = 0;
  Timestamp mtime;
  ExtentSet dirty;

  void apply_write(Extent extent, uint64_t new_size, Timestamp new_mtime);
  void apply_size(uint64_t new_size, Timestamp new_mtime);
};

struct LedgerContents {
  std::map<SlotId, LedgerSlot> slots;
  std::vector<uint64_t> segments;  // numbers of the files read, in order
};
// What the files in `directory` say. Damage is skipped, with a warning.
LedgerContents read_ledger(int directory);

// The record, in shared memory files that outlive the process, of every live slot.
//
// Entries are appended to the newest of a row of segment files. When the row has grown, a
// background thread starts a new segment, repeats there what counts of each slot (one after the
// other, so nobody waits for more than one slot) and then deletes the segments before it, oldest
// first. At each moment, reading all files in order gives every slot's state: a repetition is one
// entry, seen whole or not at all, and until it is there the old entries are.
//
// Locks: a shard's mutex, then mutex_. Thread-safe; calls for one slot are the caller's to order.
class Ledger {
 public:
  // Continues with `contents`, which may lack slots that were read. Throws std::system_error when
  // there is no room.
  Ledger(int directory, uint64_t compact_bytes, LedgerContents contents);
  ~Ledger();  // the files stay
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  Result<void> create(SlotId slot, const FileKey& file);  // ENOSPC: it could not be written down
  void discard(SlotId slot);
  void note_write(SlotId slot, Extent extent, uint64_t size, Timestamp mtime);
  void note_size(SlotId slot, uint64_t size, Timestamp mtime);
  void note_clean(SlotId slot, const ExtentSet& extents);

  size_t count() const { return count_.load(std::memory_order_relaxed); }
  std::vector<std::pair<SlotId, LedgerSlot>> slots() const;

 private:
  struct Shard {
    mutable Mutex mutex;
    absl::flat_hash_map<SlotId, LedgerSlot> slots ABSL_GUARDED_BY(mutex);
  };
  static constexpr size_t kShards = 16;

  Shard& shard_of(SlotId slot) { return shards_[static_cast<uint64_t>(slot) % kShards]; }
  bool append(const LedgerCell& entry, CellKind kind);
  bool append_snapshot(SlotId slot, const LedgerSlot& state);
  bool extend_newest(const LedgerCell& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  LedgerCell* reserve(size_t cells) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool start_segment(size_t cells) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t used_cells() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool compaction_due() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void maintain();
  bool is_compaction_due();
  bool have_spare();
  bool compact();
  bool repeat_all();
  void remove_segments(std::vector<uint64_t> numbers);

  // Constant after construction.
  const int directory_;
  const size_t compact_cells_;
  const size_t segment_cells_;

  std::array<Shard, kShards> shards_;
  std::atomic<size_t> count_{0};

  Mutex mutex_;
  CondVar wake_;
  std::unique_ptr<LedgerSegment> tail_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<LedgerSegment> spare_ ABSL_GUARDED_BY(mutex_);  // the next tail, made in advance
  std::vector<std::unique_ptr<LedgerSegment>> full_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  // The last entry of the ledger, if it is a write: the next one may just extend it.
  LedgerCell* newest_write_ ABSL_GUARDED_BY(mutex_) = nullptr;
  size_t cells_after_compaction_ ABSL_GUARDED_BY(mutex_) = 0;
  // There was no room for an entry: what the files say is not all, until the next compaction.
  bool incomplete_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread maintainer_;
};

}  // namespace ramfs
