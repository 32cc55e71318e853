#include <pthread.h>

#include "log_impl.h"
#include "ramfs/base/logging.h"

// The coming and going of epochs, on the log's own thread.
namespace ramfs {

void LogImpl::run(const std::stop_token& stop) {
  pthread_setname_np(pthread_self(), "log-epochs");
  uint64_t seen_writes = writes_.load();
  while (!stop.stop_requested()) {
    bool idle = false;
    {
      MutexLock lock(mutex_);
      while (!work_ && !stopping_) {
        bool busy = table_.current_bytes() > 0;
        if (!busy) {
          asleep_ = true;  // the next append wakes us, to watch for idleness
          wake_.wait(mutex_);
          asleep_ = false;
        } else if (!wake_.wait_for(mutex_, options_.idle)) {
          idle = writes_.load() == seen_writes && !table_.current_needed();
          seen_writes = writes_.load();
          if (idle) break;
        }
      }
      if (stopping_) return;
      work_ = false;
    }
    if (auto tended = tend(idle); !tended) {
      log_debug("log: epochs stay as they are for now, error {}", static_cast<int>(tended.error()));
      MutexLock lock(mutex_);
      if (!stopping_) wake_.wait_for(mutex_, options_.idle);
    }
  }
}

Result<void> LogImpl::tend(bool idle) {
  MutexLock epochs(epochs_mutex_);
  if (next_number_.load() + kNumbersAhead / 2 >= reserved_.load()) {
    if (auto reserved = reserve_numbers(); !reserved) return reserved;
  }
  bool full = false;
  {
    MutexLock lock(mutex_);
    uint64_t bytes = table_.current_bytes();
    bool waste = !table_.current_needed() && (bytes >= kWorthDropping || (idle && bytes > 0));
    full = bytes >= options_.epoch_bytes || waste;
  }
  if (full) {
    if (auto begun = begin_epoch_locked(); !begun) return begun;
  }
  auto dropped = drop_epochs_locked();
  if (!dropped) return fail(dropped.error());
  return *dropped ? store_->switch_files() : Result<void>();
}

Result<void> LogImpl::begin_epoch_locked() {
  Epoch next{1};
  auto epochs = store_->epochs();
  if (!epochs.empty()) next = Epoch{static_cast<uint64_t>(epochs.back()) + 1};
  if (auto created = store_->create_epoch(next); !created) return created;
  // New files before the first append, so that those of the old epoch go when it goes.
  if (auto switched = store_->switch_files(); !switched) return switched;
  MutexLock lock(mutex_);
  table_.open_epoch(next);
  return {};
}

// Oldest first and never past one that is needed: forget marks stand in later epochs than the
// records they speak of. True when any went.
Result<bool> LogImpl::drop_epochs_locked() {
  bool any = false;
  for (;;) {
    std::optional<Epoch> oldest;
    {
      MutexLock lock(mutex_);
      oldest = table_.droppable();
      // From here nobody needs it: appends go to newer epochs.
      if (oldest) table_.drop_epoch(*oldest);
    }
    if (!oldest) return any;
    if (auto dropped = store_->drop_epoch(*oldest); !dropped) return fail(dropped.error());
    any = true;
  }
}

}  // namespace ramfs
