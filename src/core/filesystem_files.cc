#include <fcntl.h>
#include <sys/xattr.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "filesystem_impl.h"
#include "ramfs/core/acting.h"

namespace ramfs {
namespace {

constexpr uint64_t kMegabyte = 1 << 20;
constexpr size_t kCopyUnit = kMegabyte;

bool writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY;
}

// Write-only files gain nothing from the kernel's page cache: their pages would be a second copy.
// Nor has their close() anything to report; a file that may be mapped writable must be flushed.
Opened opened(Handle handle, int flags, bool keep_cache) {
  bool write_only = (flags & O_ACCMODE) == O_WRONLY;
  return {.handle = handle,
          .direct_io = write_only,
          .keep_cache = keep_cache,
          .no_flush = write_only || !writes(flags)};
}

}  // namespace

bool OpenFile::writes_are_synced() const {
  return (flags & (O_SYNC | O_DSYNC)) != 0;
}

Handle Filesystem::Impl::hand_out(std::shared_ptr<FileData> data, int flags) {
  counters.open_files.fetch_add(1, std::memory_order_relaxed);
  auto* file = new OpenFile{std::move(data), flags};
  MutexLock lock(handles_mutex);
  handles.insert(file);
  return Handle{reinterpret_cast<uint64_t>(file)};
}

Result<void> Filesystem::Impl::clear_privileges(FileData& data, bool kill_suid_sgid) {
  if (!data.privileges_possible.load(std::memory_order_relaxed)) return {};
  auto fd = files.any(*data.inode());
  if (!fd) return fail(fd.error());
  auto found = sys::stat_fd((*fd)->get());
  if (!found) return fail(found.error());
  bool set_id = (found->stx_mode & (S_ISUID | S_ISGID)) != 0;
  if (!set_id || kill_suid_sgid) {
    auto cleared = attributes.clear_privileges(data.inode(), (*fd)->get());
    if (!cleared) return cleared;
    // A set-group-id without execution is a mark for locking and stays.
    data.privileges_possible = false;
  }
  return {};
}

// The kernel would go on believing the old size for up to a second. It is told before the open
// returns, on a thread of its own, because notifications must not come from a request's thread
// (libfuse doc/README.notifications); it takes no lock that an open holds. A rare event.
void Filesystem::Impl::drop_kernel_attributes(InodeId id) {
  KernelCache* cache = services.kernel_cache;
  if (cache) std::thread([cache, id] { cache->drop_data(id); }).join();
}

Result<Opened> Filesystem::open(InodeId id, int flags, bool kill_suid_sgid) {
  InodePtr inode = impl_->table.find(id);
  if (!inode) return fail(ESTALE);
  auto access = writes(flags) ? InodeFiles::Access::write : InodeFiles::Access::read;
  auto fd = impl_->files.open(*inode, access);
  if (!fd) return fail(fd.error());
  auto found = impl_->file_table.open(inode, (*fd)->get());
  if (!found) return fail(found.error());
  auto data = std::move(found->data);
  Result<void> ready;
  if ((flags & O_TRUNC) != 0) {
    ready = impl_->clear_privileges(*data, kill_suid_sgid);
    if (ready) ready = data->truncate(0);
  }
  if (!ready) {
    impl_->file_table.close(data);
    return fail(ready.error());
  }
  auto& opens = data->in_arena() ? impl_->counters.arena_opens : impl_->counters.backing_opens;
  opens.fetch_add(1, std::memory_order_relaxed);
  impl_->placement->note_use(id, 1);
  if (!found->unchanged && (flags & O_TRUNC) == 0) impl_->drop_kernel_attributes(id);
  return opened(impl_->hand_out(std::move(data), flags), flags, found->unchanged);
}

Result<Created> Filesystem::Impl::finish_create(const Inode* parent, const char* name, Fd fd,
                                                int flags) {
  auto found = names.remember(parent, name, fd.get());
  if (!found) return fail(found.error());
  auto lease = std::make_shared<const Fd>(std::move(fd));
  bool named = parent != nullptr;
  if (named) {
    files.keep(*found->inode, InodeFiles::Access::write, lease);
  } else {
    found->inode->pin(lease);
  }
  auto with_data = file_table.open(found->inode, lease->get(), named);
  if (!with_data) {
    names.forget(found->inode->id, 1);
    return fail(with_data.error());
  }
  auto data = std::move(with_data->data);
  names_unsynced = true;
  placement->note_use(found->inode->id, 1);
  Created created;
  created.entry = found->entry();
  created.opened = opened(hand_out(std::move(data), flags), flags, true);
  return created;
}

Result<Created> Filesystem::create(InodeId parent, const char* name, mode_t mode, int flags,
                                   const Caller& caller) {
  auto directory = impl_->names.directory(parent);
  if (!directory) return fail(directory.error());
  // Read and write: writeback needs both, whatever the caller asked for. First as a new file,
  // because of one that we made ourselves we know more.
  auto open_as = [&](int more) {
    return as_caller(caller, mode, [&] {
      int how = O_RDWR | O_CREAT | O_NOFOLLOW | more;
      return sys::open_at(directory->fd->get(), name, how, mode & 07777);
    });
  };
  auto fd = open_as(O_EXCL);
  bool made = fd.has_value();
  if (!made && fd.error() == Errno{EEXIST} && (flags & O_EXCL) == 0) fd = open_as(0);
  if (!fd) return fail(fd.error());
  auto created = impl_->finish_create(directory->inode.get(), name, std::move(*fd), flags);
  // It has no capabilities, and set-id bits only if it was made with them: the first write need not
  // look.
  if (created && made && (mode & (S_ISUID | S_ISGID)) == 0) {
    Impl::open_file(created->opened.handle).data->privileges_possible = false;
  }
  if (created && (flags & O_TRUNC) != 0) {
    auto data = Impl::open_file(created->opened.handle).data;
    if (created->entry.attributes.stx_size != 0) {
      if (auto cut = data->truncate(0); !cut) {
        release(created->opened.handle);
        forget(created->entry.inode, 1);
        return fail(cut.error());
      }
      created->entry.attributes.stx_size = 0;
    }
  }
  return created;
}

Result<Created> Filesystem::tmpfile(InodeId parent, mode_t mode, int flags, const Caller& caller) {
  auto directory = impl_->names.directory(parent);
  if (!directory) return fail(directory.error());
  auto fd = as_caller(caller, mode, [&] {
    return sys::open_at(directory->fd->get(), ".", O_RDWR | O_TMPFILE | (flags & O_EXCL),
                        mode & 07777);
  });
  if (!fd) return fail(fd.error());
  return impl_->finish_create(nullptr, nullptr, std::move(*fd), flags);
}

void Filesystem::release(Handle handle) {
  std::unique_ptr<OpenFile> file(&Impl::open_file(handle));
  {
    MutexLock lock(impl_->handles_mutex);
    impl_->handles.erase(file.get());
  }
  impl_->counters.open_files.fetch_sub(1, std::memory_order_relaxed);
  impl_->file_table.close(file->data);
}

Result<size_t> Filesystem::read(Handle handle, uint64_t offset, std::span<std::byte> buffer) {
  FileData& data = *Impl::open_file(handle).data;
  auto count = data.read(offset, buffer);
  if (count && *count >= kMegabyte / 4) {
    impl_->placement->note_use(data.inode()->id,
                               static_cast<double>(*count) / static_cast<double>(16 * kMegabyte));
  }
  return count;
}

Result<size_t> Filesystem::write(Handle handle, uint64_t offset, std::span<const std::byte> data,
                                 bool kill_suid_sgid) {
  OpenFile& file = Impl::open_file(handle);
  if (auto cleared = impl_->clear_privileges(*file.data, kill_suid_sgid); !cleared) {
    return fail(cleared.error());
  }
  auto written = file.data->write(offset, data);
  if (!written) return written;
  if (file.writes_are_synced()) {
    if (auto durable = file.data->fsync(); !durable) return fail(durable.error());
  }
  return written;
}

Result<void> Filesystem::flush(Handle) {
  return {};
}

Result<void> Filesystem::fsync(Handle handle, bool) {
  return Impl::open_file(handle).data->fsync();
}

Result<void> Filesystem::fallocate(Handle handle, int mode, uint64_t offset, uint64_t length) {
  OpenFile& file = Impl::open_file(handle);
  if (auto cleared = impl_->clear_privileges(*file.data, false); !cleared) return cleared;
  return file.data->fallocate(mode, {offset, offset + length});
}

Result<uint64_t> Filesystem::lseek(Handle handle, uint64_t offset, int whence) {
  return Impl::open_file(handle).data->seek(offset, whence);
}

Result<size_t> Filesystem::copy_file_range(Handle from, uint64_t from_offset, Handle to,
                                           uint64_t to_offset, size_t length) {
  // Not cleared: most files are far smaller.
  auto buffer = std::make_unique_for_overwrite<std::byte[]>(kCopyUnit);
  size_t total = 0;
  while (total < length) {
    std::span<std::byte> bytes(buffer.get(), std::min(kCopyUnit, length - total));
    auto count = read(from, from_offset + total, bytes);
    if (!count) return total > 0 ? Result<size_t>(total) : count;
    if (*count == 0) break;
    auto written = write(to, to_offset + total, bytes.first(*count), false);
    if (!written) return total > 0 ? Result<size_t>(total) : written;
    total += *written;
    if (*written < *count) break;
  }
  return total;
}

Result<sys::Attributes> Filesystem::setattr(InodeId id, const AttributeChange& change,
                                            const Caller& caller) {
  if (change.size) {
    InodePtr inode = impl_->table.find(id);
    if (!inode) return fail(ESTALE);
    auto fd = impl_->files.open(*inode, InodeFiles::Access::write);
    if (!fd) return fail(fd.error());
    auto opened = impl_->file_table.open(inode, (*fd)->get());
    if (!opened) return fail(opened.error());
    auto& data = opened->data;
    auto done = impl_->clear_privileges(*data, change.kill_suid_sgid);
    if (done) done = data->truncate(*change.size);
    impl_->file_table.close(data);
    if (!done) return fail(done.error());
  }
  AttributeChange rest = change;
  rest.size.reset();
  bool times = change.mtime || change.mtime_now;
  InodePtr inode = times ? impl_->table.find(id) : nullptr;
  auto data = inode ? inode->data() : nullptr;
  if (!data) return impl_->attributes.setattr(id, rest, caller);
  auto done = data->change_mtime([&]() -> Result<void> {
    auto set = impl_->attributes.setattr(id, rest, caller);
    return set ? Result<void>{} : fail(set.error());
  });
  if (!done) return fail(done.error());
  return impl_->attributes.getattr(id);
}

}  // namespace ramfs
