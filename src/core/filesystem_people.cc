#include <fcntl.h>

#include <algorithm>
#include <thread>

#include "filesystem_impl.h"

namespace ramfs {
namespace {

constexpr int kFlushTries = 5;  // in a row without getting less

}  // namespace

Status Filesystem::status() const {
  Status status;
  const Services& all = impl_->services;
  const Counters& counters = impl_->counters;
  status.arena = {all.arena.budget_bytes(), all.arena.used_bytes(), all.arena.slots()};
  Writeback::Stats queue = impl_->writeback->stats();
  status.dirty = {impl_->dirty.bytes(), queue.oldest_dirty_seconds, queue.files_queued,
                  impl_->dirty.soft_limit()};
  LogStats log = all.log.stats();
  double ratio = log.stored_bytes == 0 ? 1.0
                                       : static_cast<double>(log.record_bytes) /
                                             static_cast<double>(log.stored_bytes);
  status.log = {log.live_bytes, log.disk_bytes, ratio};
  status.wear = {counters.app_write_bytes, log.written_bytes, counters.backing_write_bytes,
                 counters.absorbed_bytes};
  uint64_t arena_opens = counters.arena_opens;
  uint64_t opens = arena_opens + counters.backing_opens;
  status.hits = {arena_opens, counters.backing_opens,
                 opens == 0 ? 0.0 : static_cast<double>(arena_opens) / static_cast<double>(opens)};
  status.errors = {queue.failures, queue.failing_files, counters.commit_errors, counters.conflicts};
  status.inodes = {impl_->table.size(), counters.open_files, impl_->files.size()};
  const Recovery::Found& found = impl_->recovery->found();
  status.recovered = {found.log_records, found.arena_slots, found.bytes, found.damaged,
                      found.milliseconds};
  status.recovering = impl_->gate.closed();
  status.last_error = impl_->last_error.get();
  return status;
}

Result<InodePtr> Filesystem::Impl::find_path(const std::string& path) {
  auto fd = services.backing.open_path(path, O_PATH | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  auto found = sys::stat_fd(fd->get());
  if (!found) return fail(found.error());
  uint64_t device = Backing::device_of(*found);
  bool by_handle = services.backing.has_handles() && device == services.backing.device();
  auto key = by_handle ? sys::file_key(fd->get()) : Result<FileKey>(FileKey::from_path(path));
  if (!key) return fail(key.error());
  return table.find(device, found->stx_ino, *key);
}

Result<FileStatus> Filesystem::which(const std::string& path) {
  auto fd = impl_->services.backing.open_path(path, O_PATH | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  auto attributes = sys::stat_fd(fd->get());
  if (!attributes) return fail(attributes.error());
  FileStatus status;
  status.home = "backing";
  status.binding = "unbound";
  status.size = attributes->stx_size;
  auto inode = impl_->find_path(path);
  if (!inode || !*inode) return status;
  if (auto data = (*inode)->data()) status = data->status();
  status.heat = impl_->placement->heat((*inode)->id);
  return status;
}

Result<void> Filesystem::sync(const std::function<void(const WritebackProgress&)>& progress) {
  impl_->gate.wait();
  auto flushed = impl_->writeback->flush_all(progress);
  auto named = impl_->sync_backing_all();
  if (named) named = impl_->sync_namespace();
  if (!flushed) return flushed;
  return named;
}

Result<void> Filesystem::sync_path(const std::string& path) {
  auto inode = impl_->find_path(path);
  if (!inode) return fail(inode.error());
  auto data = *inode ? (*inode)->data() : nullptr;
  if (!data) return {};
  impl_->gate.wait();
  return impl_->writeback->flush(data);
}

Result<void> Filesystem::flush_everything(
    const std::function<void(const WritebackProgress&)>& progress) {
  Result<void> done;
  uint64_t left = UINT64_MAX;
  for (int tries = 0; tries < kFlushTries; ++tries) {
    done = sync(progress);
    uint64_t now = impl_->dirty.bytes();
    if (done && now == 0) return done;
    if (now < left) tries = 0;
    left = now;
  }
  return done ? fail(EBUSY) : done;
}

Result<void> Filesystem::evict(const std::string& path) {
  auto inode = impl_->find_path(path);
  if (!inode) return fail(inode.error());
  if (auto data = *inode ? (*inode)->data() : nullptr) {
    data->evict();
    impl_->file_table.let_go(*data);
  }
  return {};
}

}  // namespace ramfs
