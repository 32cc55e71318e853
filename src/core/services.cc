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

void UnsyncedForgets::forget_when_gone(const FileKey& file, Lsn upto) {
  MutexLock lock(mutex_);
  gone_.emplace_back(file, upto);
}

Result<void> UnsyncedForgets::flush_gone(const std::function<Result<void>()>& sync_names) {
  std::vector<std::pair<FileKey, Lsn>> gone;
  {
    MutexLock lock(mutex_);
    gone.swap(gone_);
  }
  if (gone.empty()) return {};
  auto done = sync_names();
  for (const auto& [file, upto] : gone) {
    if (done) done = forget(file, upto);
    if (!done) forget_when_gone(file, upto);
  }
  return done;
}

Result<void> UnsyncedForgets::settle(const FileKey& file) {
  {
    MutexLock lock(mutex_);
    if (!files_.contains(file)) return {};
  }
  return sync();
}

}  // namespace ramfs
