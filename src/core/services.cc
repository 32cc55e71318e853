#include "ramfs/core/services.h"

namespace ramfs {

Result<void> UnsyncedForgets::forget(const FileKey& file, Lsn upto) {
  auto done = log_.forget(file, upto, Sync::no);
  if (!done) return done;
  MutexLock lock(mutex_);
  files_[file] = ++count_;
  return {};
}

Result<void> UnsyncedForgets::sync() {
  uint64_t before = 0;
  {
    MutexLock lock(mutex_);
    before = count_;
  }
  auto done = log_.sync();
  if (!done) return done;
  MutexLock lock(mutex_);
  absl::erase_if(files_, [before](const auto& each) { return each.second <= before; });
  return {};
}

Result<void> UnsyncedForgets::settle(const FileKey& file) {
  {
    MutexLock lock(mutex_);
    if (!files_.contains(file)) return {};
  }
  return sync();
}

}  // namespace ramfs
