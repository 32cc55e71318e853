#pragma once

#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "ramfs/base/mutex.h"
#include "ramfs/writeback/writeback.h"

namespace ramfs {

// The thread that brings dirty data to the log: at every interval all files, then one sync.
class Committer {
 public:
  using Files = std::function<std::vector<DirtyFilePtr>()>;

  Committer(std::chrono::nanoseconds interval, WritebackHost& host, Files files);
  ~Committer();  // joins
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

 private:
  bool wait_for_tick(std::chrono::steady_clock::time_point tick);
  bool stopping();
  void run();
  void commit();
  void report(Errno error);

  const std::chrono::nanoseconds interval_;
  WritebackHost& host_;
  const Files files_;
  bool failing_ = false;  // the thread's own

  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ramfs
