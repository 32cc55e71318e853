#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "ramfs/base/mutex.h"
#include "ramfs/base/result.h"

namespace ramfs {

// Room on the backing filesystem, promised when a write is taken, so that ENOSPC is told then and
// not at writeback. While there is plenty of room a promise is a sum; near the end, and where
// quotas are on, the caller allocates the blocks for real (fallocate), which also tells EDQUOT.
// Another user of the filesystem can still take what was only promised: then writeback keeps the
// data and tries again. Thread-safe.
class SpaceGuard {
 public:
  explicit SpaceGuard(int backing_root);

  enum class Answer { promised, allocate };
  // `promised`: `bytes` are counted until kept(). `allocate`: nothing is counted; the caller must
  // allocate the blocks before it takes the data. ENOSPC: no room, with all that is promised.
  Result<Answer> promise(uint64_t bytes);
  // Promised bytes that were allocated, written back or given up.
  void kept(uint64_t bytes);
  uint64_t promised_bytes() const { return promised_.load(std::memory_order_relaxed); }

 private:
  Result<uint64_t> available(bool fresh);

  const int root_;
  const bool quotas_;
  std::atomic<uint64_t> promised_{0};
  Mutex mutex_;
  std::chrono::steady_clock::time_point sampled_ ABSL_GUARDED_BY(mutex_);
  uint64_t available_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t slack_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ramfs
