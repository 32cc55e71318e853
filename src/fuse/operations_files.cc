// Open files: from open and create to release.

#include <memory>
#include <new>

#include "operations.h"
#include "reply.h"

namespace ramfs {
namespace {

constexpr size_t kPage = 4096;

Handle handle_of(const fuse_file_info* info) {
  return Handle{info->fh};
}

// A worker's room for what it reads, kept between requests: a request brings up to 1 MiB, and
// taking that anew each time would cost more page faults than the copy itself.
class ReadBuffer {
 public:
  std::span<std::byte> of(size_t size) {
    if (size > size_) {
      size_t rounded = (size + kPage - 1) / kPage * kPage;
      memory_.reset(static_cast<std::byte*>(::operator new (rounded, std::align_val_t{kPage})));
      size_ = rounded;
    }
    return {memory_.get(), size};
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const {
      ::operator delete (memory, std::align_val_t{kPage});
    }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t size_ = 0;
};

void answer_created(fuse_req_t request, const Result<Created>& created, fuse_file_info info) {
  Filesystem& files = filesystem(request);
  Reply reply(request);
  if (!created) return std::move(reply).error(created.error());
  fill(info, created->opened);
  if (std::move(reply).created(to_entry_param(created->entry, files.cache_times()), info)) return;
  files.release(created->opened.handle);
  files.forget(created->entry.inode, 1);
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* info) {
  answer_created(
      request,
      filesystem(request).create(InodeId{parent}, name, mode, info->flags, caller(request)), *info);
}

void tmpfile(fuse_req_t request, fuse_ino_t parent, mode_t mode, fuse_file_info* info) {
  answer_created(request,
                 filesystem(request).tmpfile(InodeId{parent}, mode, info->flags, caller(request)),
                 *info);
}

void open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  Filesystem& files = filesystem(request);
  auto opened = files.open(InodeId{inode}, info->flags, info->kill_suidgid);
  Reply reply(request);
  if (!opened) return std::move(reply).error(opened.error());
  fill(*info, *opened);
  if (!std::move(reply).opened(*info)) files.release(opened->handle);
}

void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  filesystem(request).release(handle_of(info));
  Reply(request).done();
}

void read(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info* info) {
  thread_local ReadBuffer buffer;
  Reply reply(request);
  std::span<std::byte> room = buffer.of(size);
  auto count = filesystem(request).read(handle_of(info), static_cast<uint64_t>(offset), room);
  if (!count) return std::move(reply).error(count.error());
  std::move(reply).data(room.first(*count));
}

void write(fuse_req_t request, fuse_ino_t, const char* data, size_t size, off_t offset,
           fuse_file_info* info) {
  Reply reply(request);
  auto count = filesystem(request).write(handle_of(info), static_cast<uint64_t>(offset),
                                         std::as_bytes(std::span(data, size)), info->kill_suidgid);
  if (!count) return std::move(reply).error(count.error());
  std::move(reply).written(*count);
}

void flush(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  auto result = filesystem(request).flush(handle_of(info));
  Reply(request).result(result);
}

void fsync(fuse_req_t request, fuse_ino_t, int data_only, fuse_file_info* info) {
  auto result = filesystem(request).fsync(handle_of(info), data_only != 0);
  Reply(request).result(result);
}

void fallocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t length,
               fuse_file_info* info) {
  auto result = filesystem(request).fallocate(handle_of(info), mode, static_cast<uint64_t>(offset),
                                              static_cast<uint64_t>(length));
  Reply(request).result(result);
}

void lseek(fuse_req_t request, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  Reply reply(request);
  auto found = filesystem(request).lseek(handle_of(info), static_cast<uint64_t>(offset), whence);
  if (!found) return std::move(reply).error(found.error());
  std::move(reply).position(*found);
}

void copy_file_range(fuse_req_t request, fuse_ino_t, off_t from_offset, fuse_file_info* from,
                     fuse_ino_t, off_t to_offset, fuse_file_info* to, size_t length, int) {
  Reply reply(request);
  auto count =
      filesystem(request).copy_file_range(handle_of(from), static_cast<uint64_t>(from_offset),
                                          handle_of(to), static_cast<uint64_t>(to_offset), length);
  if (!count) return std::move(reply).error(count.error());
  std::move(reply).written(*count);
}

}  // namespace

void add_file_operations(fuse_lowlevel_ops& operations) {
  operations.create = guarded<create>;
  operations.tmpfile = guarded<tmpfile>;
  operations.open = guarded<open>;
  operations.release = guarded<release>;
  operations.read = guarded<read>;
  operations.write = guarded<write>;
  operations.flush = guarded<flush>;
  operations.fsync = guarded<fsync>;
  operations.fallocate = guarded<fallocate>;
  operations.lseek = guarded<lseek>;
  operations.copy_file_range = guarded<copy_file_range>;
}

}  // namespace ramfs
