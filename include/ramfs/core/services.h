#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ramfs/arena/arena.h"
#include "ramfs/base/mutex.h"
#include "ramfs/core/dirty_budget.h"
#include "ramfs/core/filesystem.h"
#include "ramfs/core/inode_table.h"
#include "ramfs/core/options.h"
#include "ramfs/core/space_guard.h"
#include "ramfs/log/log.h"
#include "ramfs/os/backing.h"
#include "ramfs/writeback/writeback.h"

namespace ramfs {

class FileTable;
class Placement;

// Counted since mount; read by status().
struct Counters {
  std::atomic<uint64_t> app_write_bytes{0};
  std::atomic<uint64_t> backing_write_bytes{0};
  std::atomic<uint64_t> absorbed_bytes{0};
  std::atomic<uint64_t> arena_opens{0};
  std::atomic<uint64_t> backing_opens{0};
  std::atomic<uint64_t> open_files{0};
  std::atomic<uint64_t> commit_errors{0};
  std::atomic<uint64_t> conflicts{0};
};

// What was found at start is durable in the backing files only some seconds later. Until then the
// old log may have to be replayed once more, so nothing may change a backing file behind its back.
class RecoveryGate {
 public:
  void close() {
    MutexLock lock(mutex_);
    closed_ = true;
  }
  void open() {
    MutexLock lock(mutex_);
    closed_ = false;
    opened_.notify_all();
  }
  void wait() {
    MutexLock lock(mutex_);
    while (closed_) opened_.wait(mutex_);
  }
  bool closed() const {
    MutexLock lock(mutex_);
    return closed_;
  }

 private:
  mutable Mutex mutex_;
  CondVar opened_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Forgets that may not be durable yet. A power cut may bring such a file's records back; that does
// no harm while the backing file holds the same bytes, but before it changes otherwise the forget
// must be made durable: settle().
class UnsyncedForgets {
 public:
  explicit UnsyncedForgets(Log& log) : log_(log) {}
  Result<void> forget(const FileKey& file, Lsn upto);
  Result<void> sync();  // the whole log
  Result<void> settle(const FileKey& file);

  // The file has lost its last name, but the backing filesystem may not have that durably yet:
  // after a power cut the name can be back, and with it the need for the records. They are
  // forgotten by flush_gone(), which calls `sync_names` first if there are any.
  void forget_when_gone(const FileKey& file, Lsn upto);
  Result<void> flush_gone(const std::function<Result<void>()>& sync_names);

 private:
  Log& log_;
  Mutex mutex_;
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::pair<FileKey, Lsn>> gone_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<FileKey, uint64_t> files_ ABSL_GUARDED_BY(mutex_);  // to count_ then
};

// What went wrong last, for people; empty while all is well.
class LastError {
 public:
  void set(std::string text) {
    MutexLock lock(mutex_);
    text_ = std::move(text);
  }
  std::string get() const {
    MutexLock lock(mutex_);
    return text_;
  }

 private:
  mutable Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
};

// Everything that the parts of core share. Built and owned by Filesystem; outlives them all.
struct Services {
  const CoreOptions& options;
  Backing& backing;
  Arena& arena;
  Log& log;
  InodeTable& table;
  InodeFiles& files;
  DirtyBudget& dirty;
  SpaceGuard& space;
  Counters& counters;
  RecoveryGate& gate;
  LastError& last_error;
  UnsyncedForgets& forgets;
  FileTable* file_table = nullptr;  // these three are set before the first request
  Writeback* writeback = nullptr;
  Placement* placement = nullptr;
  std::atomic<KernelCache*> kernel_cache{nullptr};
};

}  // namespace ramfs
