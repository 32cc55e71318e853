#pragma once

#include <chrono>
#include <thread>

#include "ramfs/core/services.h"

namespace ramfs {

// What the last daemon left: the log's records, then what its arena still held (newer), written to
// the backing files. That is done before the mount is usable, at the speed of the page cache; that
// it is durable there takes longer and happens behind: until then the gate is closed, log and slots
// stay, and a crash only means that the same is done again.
class Recovery {
 public:
  // Throws std::runtime_error with one line if something cannot be written; nothing is lost then.
  explicit Recovery(Services& services);
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  struct Found {
    uint64_t log_records = 0;
    uint64_t arena_slots = 0;
    uint64_t bytes = 0;
    uint64_t damaged = 0;  // log records that could not be read, each named in the daemon's log
    uint64_t gone = 0;     // for files that do not exist any more
    uint64_t milliseconds = 0;
  };
  const Found& found() const { return found_; }

 private:
  void replay_log();
  void adopt_arena();
  Result<void> apply(const LogRecord& record);
  Result<void> apply_slot(const SurvivingSlot& survivor);
  Result<FdLease> open(const FileKey& key);
  void settle();  // on its own thread

  Services& services_;
  FdCache files_;
  Found found_;
  Lsn upto_ = kNoLsn;
  std::vector<SurvivingSlot> survivors_;
  Mutex mutex_;
  CondVar stop_wanted_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ramfs
