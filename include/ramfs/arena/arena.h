#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ramfs/base/extent_set.h"
#include "ramfs/base/file_key.h"
#include "ramfs/base/ids.h"
#include "ramfs/base/result.h"
#include "ramfs/base/timestamp.h"
#include "ramfs/os/fd_cache.h"

namespace ramfs {

struct ArenaOptions {
  std::string directory;      // where the arena lives; created, mode 0700
  uint64_t budget_bytes = 0;  // of file data
  bool mount_tmpfs = true;    // a private tmpfs of our own there; false: the directory as it is
  uint64_t ledger_bytes = 16 << 20;  // when the ledger is rewritten with only what still counts
};

// What a killed daemon left in the arena: a file with data that the backing file does not have.
// `dirty` is empty if only the size and mtime were noted, or all of it was written back. A slot of
// which nothing was ever noted is gone.
struct SurvivingSlot {
  SlotId slot;
  FileKey file;
  uint64_t size;
  Timestamp mtime;
  ExtentSet dirty;
};

// The RAM for file data: a directory on tmpfs with one file a slot, sparse, at the same offsets as
// the file it stands for. It outlives a killed daemon: which bytes of a slot are dirty is written
// to a ledger beside the slots, in shared memory, before a write is acknowledged.
//
// The arena accounts bytes and finds descriptors; which bytes are there, and what they mean, only
// core knows. All calls are safe from any thread; calls for one slot are the caller's to order.
class Arena {
 public:
  // Takes over what a killed daemon left (survivors()), or starts empty. Throws std::system_error
  // or std::runtime_error with one line: no tmpfs, no room, locked by a living daemon.
  explicit Arena(const ArenaOptions& options);
  // Unmounts and removes the directory if no slot is left; else leaves all for the next start.
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Only meaningful before the first create(). Each must be discard()ed once its data is safe.
  std::vector<SurvivingSlot> survivors();

  Result<SlotId> create(const FileKey& file);  // ENOSPC, EMFILE
  void discard(SlotId slot);                   // its bytes are gone; give its budget back yourself
  // Open for reading and writing, from a bounded cache.
  Result<FdLease> open(SlotId slot);

  // --- the ledger: what the next daemon must know. Order per slot is the order of the calls.
  void note_write(SlotId slot, Extent extent, uint64_t size, Timestamp mtime);
  // The file was cut or grown to `size`: dirty bytes at and behind it are dirty no more.
  void note_size(SlotId slot, uint64_t size, Timestamp mtime);
  // These bytes are no longer dirty: written back, or punched out.
  void note_clean(SlotId slot, const ExtentSet& extents);

  // --- the budget, in bytes, page-rounded by the caller's own count
  // Takes `bytes` if they fit, else takes nothing and says false.
  bool try_charge(uint64_t bytes);
  // Takes them even over the budget (bounded by the requests under way).
  void charge(uint64_t bytes);
  void uncharge(uint64_t bytes);
  uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  uint64_t budget_bytes() const { return budget_.load(std::memory_order_relaxed); }
  size_t slots() const;

 private:
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> budget_;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ramfs
