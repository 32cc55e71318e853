#pragma once

#include <atomic>
#include <chrono>

#include "ramfs/base/mutex.h"

namespace ramfs {

// "There may be something to do", said by anybody to one of several sleepers. Saying it again
// before a sleeper heard it costs one atomic operation.
class Wakeup {
 public:
  using Clock = std::chrono::steady_clock;

  void signal() {
    if (set_.exchange(true)) return;
    MutexLock lock(mutex_);
    changed_.notify_one();
  }

  // From now on nobody sleeps.
  void close() {
    MutexLock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  void wait_until(Clock::time_point deadline) {
    MutexLock lock(mutex_);
    while (!closed_ && !set_.exchange(false)) {
      Clock::time_point now = Clock::now();
      if (now >= deadline) return;
      changed_.wait_for(mutex_, deadline - now);
    }
  }

 private:
  std::atomic<bool> set_{false};
  Mutex mutex_;
  CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ramfs
