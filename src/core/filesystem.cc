#include "ramfs/core/filesystem.h"

#include <fcntl.h>

#include <algorithm>
#include <stdexcept>

#include "filesystem_impl.h"
#include "ramfs/base/logging.h"

namespace ramfs {
namespace {

// More in the log than this and the files in its oldest epoch are written back before their time.
constexpr uint64_t kLogMax = 256ull << 20;

uint64_t hard_limit(const CoreOptions& options) {
  uint64_t rest = options.arena_bytes - std::min(options.arena_bytes, options.dirty_bytes);
  return options.dirty_bytes + std::max<uint64_t>(rest / 2, 1 << 20);
}

WritebackOptions writeback_options(const CoreOptions& options) {
  WritebackOptions result;
  result.commit_interval = options.commit_interval;
  result.writeback_age = options.writeback_age;
  return result;
}

}  // namespace

Filesystem::Impl::Impl(const CoreOptions& chosen, Backing& backing, Arena& arena, Log& log)
    : options(chosen),
      files(backing, table, chosen.cached_descriptors),
      dirty(chosen.dirty_bytes, hard_limit(chosen)),
      space(backing.root()),
      forgets(log),
      services{options, backing, arena,    log,  table,      files,
               dirty,   space,   counters, gate, last_error, forgets},
      file_table(services),
      names(backing, table, files, *this),
      attributes(backing, table, files, *this),
      directories(table, files, names) {
  services.file_table = &file_table;
  auto root = sys::stat_fd(backing.root());
  if (!root) throw std::runtime_error(backing.path() + ": " + error_text(root.error()));
  // As Names::key_of: a key that we have no right to open would be no way to the file.
  auto key = backing.has_handles() ? sys::file_key(backing.root()) : Result<FileKey>(FileKey());
  table.add_root(*root, key ? *key : FileKey());
  placement = std::make_unique<Placement>(services);
  services.placement = placement.get();
  writeback = std::make_unique<Writeback>(writeback_options(options), *this);
  services.writeback = writeback.get();
  recovery = std::make_unique<Recovery>(services);
}

Filesystem::Impl::~Impl() {
  recovery.reset();
  writeback.reset();
  placement.reset();
  {
    MutexLock lock(handles_mutex);
    for (OpenFile* file : handles) delete file;
  }
  // Inodes and their data hold each other.
  std::vector<InodePtr> inodes;
  table.for_each_with_data([&](const InodePtr& inode) { inodes.push_back(inode); });
  for (const InodePtr& inode : inodes) inode->set_data(nullptr);
}

void Filesystem::Impl::overlay(const Inode& inode, sys::Attributes& found) {
  if (auto data = inode.data()) {
    if (data->overlay(found)) return;
    auto fd = files.any(inode);
    auto again = fd ? sys::stat_fd((*fd)->get()) : fail(fd.error());
    if (!again) return;
    found = *again;
    (void)data->overlay(found);
    return;
  }
  // What was read may be from before the last writeback of data that has left RAM since.
  auto known = inode.version();
  if (known && *known != FileData::version_of(found)) {
    auto fd = files.any(inode);
    auto again = fd ? sys::stat_fd((*fd)->get()) : fail(fd.error());
    if (again) found = *again;
  }
  Inode::ChangeTime mask = inode.change_time();
  if (mask.backing != Timestamp{} && sys::to_timestamp(found.stx_ctime) == mask.backing) {
    found.stx_ctime = sys::to_statx(mask.shown);
  }
}

Result<void> Filesystem::Impl::before_publish(const InodePtr& source) {
  auto data = source->data();
  if (!data) return {};
  data->gained_name();
  return data->make_durable();
}

Result<void> Filesystem::Impl::before_rename(const InodePtr& source) {
  if (auto data = source->data()) return writeback->flush(data);
  return writeback->flush_all([](const WritebackProgress&) {});
}

void Filesystem::Impl::lost_last_name(const InodePtr& inode) {
  auto data = inode->data();
  if (!data) return;
  data->lost_last_name();
  file_table.let_go(*data);
}

void Filesystem::Impl::gained_name(const InodePtr& inode) {
  if (auto data = inode->data()) data->gained_name();
}

void Filesystem::Impl::metadata_changed(const InodePtr& inode) {
  if (auto data = inode->data()) data->metadata_changed();
}

Result<void> Filesystem::Impl::sync_namespace() {
  auto sync_names = [this]() -> Result<void> {
    names_unsynced = false;
    auto done = sync_backing_all();
    if (!done) names_unsynced = true;
    return done;
  };
  if (auto done = forgets.flush_gone(sync_names); !done) return done;
  return names_unsynced ? sync_names() : Result<void>();
}

uint64_t Filesystem::Impl::excess_bytes() {
  uint64_t logged = services.log.stats().live_bytes;
  uint64_t for_log = logged > kLogMax ? std::min(dirty.bytes(), logged - kLogMax) : 0;
  return std::max(dirty.excess(), for_log);
}

// --- wiring

Filesystem::Filesystem(const CoreOptions& options, Backing& backing, Arena& arena, Log& log)
    : impl_(std::make_unique<Impl>(options, backing, arena, log)) {}

Filesystem::~Filesystem() = default;

void Filesystem::set_kernel_cache(KernelCache* cache) {
  impl_->services.kernel_cache = cache;
}

// Where nobody else may change the backing directory the kernel may believe us for long; else for
// the second that interface promises.
CacheTimes Filesystem::cache_times() const {
  using std::chrono::hours;
  using std::chrono::seconds;
  if (impl_->options.coherence == Coherence::exclusive) return {hours(1), hours(1), hours(1)};
  return {seconds(1), seconds(1), seconds(1)};
}

Result<Entry> Filesystem::lookup(InodeId parent, const char* name) {
  return impl_->names.lookup(parent, name);
}
void Filesystem::forget(InodeId id, uint64_t lookups) {
  impl_->names.forget(id, lookups);
  InodePtr inode = impl_->table.find(id);
  auto data = inode ? inode->data() : nullptr;
  if (!data || impl_->table.referenced(id)) return;
  data->forgotten();
  impl_->file_table.let_go(*data);
}
Result<Entry> Filesystem::mknod(InodeId parent, const char* name, mode_t mode, dev_t device,
                                const Caller& caller) {
  return impl_->names.mknod(parent, name, mode, device, caller);
}
Result<Entry> Filesystem::mkdir(InodeId parent, const char* name, mode_t mode,
                                const Caller& caller) {
  return impl_->names.mkdir(parent, name, mode, caller);
}
Result<Entry> Filesystem::symlink(InodeId parent, const char* name, const char* target,
                                  const Caller& caller) {
  return impl_->names.symlink(parent, name, target, caller);
}
Result<Entry> Filesystem::link(InodeId inode, InodeId parent, const char* name) {
  return impl_->names.link(inode, parent, name);
}
Result<void> Filesystem::unlink(InodeId parent, const char* name) {
  return impl_->names.unlink(parent, name);
}
Result<void> Filesystem::rmdir(InodeId parent, const char* name) {
  return impl_->names.rmdir(parent, name);
}
Result<void> Filesystem::rename(InodeId parent, const char* name, InodeId new_parent,
                                const char* new_name, unsigned flags, const Caller& caller) {
  return impl_->names.rename(parent, name, new_parent, new_name, flags, caller);
}
Result<std::string> Filesystem::readlink(InodeId inode) {
  return impl_->names.readlink(inode);
}

Result<sys::Attributes> Filesystem::getattr(InodeId inode) {
  return impl_->attributes.getattr(inode);
}
Result<std::string> Filesystem::getxattr(InodeId inode, const char* name) {
  return impl_->attributes.getxattr(inode, name);
}
Result<std::string> Filesystem::listxattr(InodeId inode, const Caller& caller) {
  return impl_->attributes.listxattr(inode, caller);
}
Result<void> Filesystem::setxattr(InodeId inode, const char* name, std::string_view value,
                                  int flags, const Caller& caller) {
  return impl_->attributes.setxattr(inode, name, value, flags, caller);
}
Result<void> Filesystem::removexattr(InodeId inode, const char* name) {
  return impl_->attributes.removexattr(inode, name);
}
Result<std::string> Filesystem::file_flags(InodeId inode, unsigned command,
                                           std::string_view argument) {
  return impl_->attributes.file_flags(inode, command, argument);
}
Result<struct statvfs> Filesystem::statfs(InodeId inode) {
  return impl_->attributes.statfs(inode);
}

Result<Handle> Filesystem::opendir(InodeId inode) {
  return impl_->directories.opendir(inode);
}
Result<void> Filesystem::readdir(Handle handle, uint64_t offset, bool plus,
                                 const DirectorySink& sink) {
  return impl_->directories.readdir(handle, offset, plus, sink);
}
void Filesystem::releasedir(Handle handle) {
  impl_->directories.releasedir(handle);
}
Result<void> Filesystem::fsyncdir(Handle handle) {
  return impl_->directories.fsyncdir(handle);
}

}  // namespace ramfs
