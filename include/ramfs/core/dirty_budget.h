#pragma once

#include <chrono>
#include <cstdint>

#include "ramfs/base/mutex.h"
#include "ramfs/base/result.h"

namespace ramfs {

// How much dirty data there is, and how fast more may come.
//
//      0 ───────────── soft ═══════════════ hard
//        writers free        writers slowed       writers wait
//
// Above `soft` each write waits for as long as writeback needs for its bytes, times a factor that
// grows from 0 at soft to 2 at hard: in the middle writers run at the speed of the device. The idea
// is that of the kernel's balance_dirty_pages (mm/page-writeback.c). Thread-safe.
class DirtyBudget {
 public:
  DirtyBudget(uint64_t soft_bytes, uint64_t hard_bytes) : soft_(soft_bytes), hard_(hard_bytes) {}

  // Before a write of `bytes`: waits its turn. Fails with the last writeback error when nothing
  // could be written back for a minute, rather than to hang for ever.
  Result<void> admit(uint64_t bytes);

  void add(uint64_t bytes);
  void cleaned(uint64_t bytes);    // reached the backing file
  void discarded(uint64_t bytes);  // need not any more
  void failed(Errno error);        // a writeback did not succeed

  uint64_t bytes() const;
  // What to write back now, to come well below soft; 0 while below it.
  uint64_t excess() const;
  uint64_t soft_limit() const { return soft_; }

 private:
  std::chrono::nanoseconds delay_locked(uint64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void shrink_locked(uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint64_t soft_;
  const uint64_t hard_;
  mutable Mutex mutex_;
  CondVar fewer_;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t cleaned_ ABSL_GUARDED_BY(mutex_) = 0;  // since the rate was last measured
  double rate_ ABSL_GUARDED_BY(mutex_) = 50e6;    // bytes a second, measured
  std::chrono::steady_clock::time_point measured_ ABSL_GUARDED_BY(mutex_);
  Errno error_ ABSL_GUARDED_BY(mutex_) = Errno{0};  // of the last writeback, if it failed
};

}  // namespace ramfs
