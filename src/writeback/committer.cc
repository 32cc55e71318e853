#include "writeback/committer.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "ramfs/base/logging.h"
#include "ramfs/base/units.h"
#include "ramfs/os/fault.h"

namespace ramfs {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::nanoseconds kShortest = std::chrono::milliseconds(1);

}  // namespace

Committer::Committer(std::chrono::nanoseconds interval, WritebackHost& host, Files files)
    : interval_(std::max(interval, kShortest)), host_(host), files_(std::move(files)) {
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "commit");
}

Committer::~Committer() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

bool Committer::stopping() {
  MutexLock lock(mutex_);
  return stopping_;
}

// False: there will be none, we are stopping.
bool Committer::wait_for_tick(Clock::time_point tick) {
  MutexLock lock(mutex_);
  while (!stopping_) {
    Clock::time_point now = Clock::now();
    if (now >= tick) return true;
    wake_.wait_for(mutex_, tick - now);
  }
  return false;
}

void Committer::run() {
  while (wait_for_tick(Clock::now() + interval_)) commit();
}

void Committer::commit() {
  Errno first_error{0};
  auto note = [&](const Result<void>& result) {
    if (!result && first_error == Errno{0}) first_error = result.error();
  };
  for (const DirtyFilePtr& file : files_()) {
    if (stopping()) return;
    note(file->commit_to_log());
  }
  note(fault_point("commit.logged"));
  note(host_.sync_log());
  note(host_.sync_namespace());
  report(first_error);
}

// Says it once when it begins and once when it is over.
void Committer::report(Errno error) {
  bool failing = error != Errno{0};
  if (failing && !failing_) {
    log_error("commit failed, will be tried again every {}: {}", format_time(interval_),
              std::strerror(static_cast<int>(error)));
  } else if (!failing && failing_) {
    log_info("commit works again");
  }
  failing_ = failing;
}

}  // namespace ramfs
