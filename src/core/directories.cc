#include "ramfs/core/directories.h"

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "ramfs/os/node.h"

namespace ramfs {
namespace {

constexpr size_t kBufferBytes = size_t{32} << 10;

bool is_dot(const char* name) {
  return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

}  // namespace

// Reads ahead by a buffer and hands out one name after the other.
class Directories::Stream {
 public:
  Stream(Names& names, InodePtr inode, Fd fd)
      : names_(names), inode_(std::move(inode)), fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }

  Result<void> read(uint64_t offset, bool plus, const DirectorySink& sink) {
    MutexLock lock(mutex_);
    // From the start means anew: names made since are expected.
    if (offset != position_ || offset == 0) {
      if (auto done = rewind_locked(offset); !done) return done;
    }
    while (true) {
      if (next_ == end_) {
        auto more = fill_locked();
        if (!more) return fail(more.error());
        if (!*more) return {};
      }
      const auto& item = *reinterpret_cast<const dirent64*>(buffer_.data() + next_);
      if (!hand_out(item, plus, sink)) return {};
      next_ += item.d_reclen;
      position_ = static_cast<uint64_t>(item.d_off);
    }
  }

 private:
  Result<void> rewind_locked(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    next_ = end_ = 0;
    if (untouched_ && offset == 0) return {};
    auto done = sys::seek_directory(fd_.get(), offset);
    if (done) position_ = offset;
    return done;
  }

  // False at the end.
  Result<bool> fill_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    untouched_ = false;
    buffer_.resize(kBufferBytes);
    auto got = sys::read_directory(fd_.get(), buffer_);
    if (!got) return fail(got.error());
    next_ = 0;
    end_ = *got;
    if (end_ == 0) std::vector<std::byte>().swap(buffer_);  // most are closed now
    return end_ > 0;
  }

  bool hand_out(const dirent64& item, bool plus, const DirectorySink& sink) {
    DirectoryItem result{item.d_name, item.d_ino, item.d_type, static_cast<uint64_t>(item.d_off),
                         nullptr};
    if (!plus || is_dot(item.d_name)) return sink(result);
    // Gone meanwhile, or unreadable: the name alone then, as it was in the directory.
    auto found = names_.enter(*inode_, fd_.get(), item.d_name);
    if (!found) return sink(result);
    Entry entry = found->entry();
    result.entry = &entry;
    if (sink(result)) return true;
    names_.forget(entry.inode, 1);
    return false;
  }

  Names& names_;
  const InodePtr inode_;
  const Fd fd_;
  Mutex mutex_;  // held across I/O: one stream is read by one caller at a time
  std::vector<std::byte> buffer_ ABSL_GUARDED_BY(mutex_);
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // in buffer_: the first that was not handed out
  size_t end_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t position_ ABSL_GUARDED_BY(mutex_) = 0;  // the offset of what is at next_
  bool untouched_ ABSL_GUARDED_BY(mutex_) = true;
};

Directories::Directories(InodeTable& table, InodeFiles& files, Names& names)
    : table_(table), files_(files), names_(names) {}
Directories::~Directories() = default;

std::shared_ptr<Directories::Stream> Directories::find(Handle handle) {
  ReaderLock lock(mutex_);
  auto found = open_.find(handle);
  return found == open_.end() ? nullptr : found->second;
}

Result<Handle> Directories::opendir(InodeId id) {
  InodePtr inode = table_.find(id);
  if (!inode) return fail(ESTALE);
  auto fd = files_.open_fresh(*inode, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  auto stream = std::make_shared<Stream>(names_, std::move(inode), std::move(*fd));
  WriterLock lock(mutex_);
  Handle handle{next_++};
  open_.emplace(handle, std::move(stream));
  return handle;
}

Result<void> Directories::readdir(Handle handle, uint64_t offset, bool plus,
                                  const DirectorySink& sink) {
  auto stream = find(handle);
  if (!stream) return fail(EBADF);
  return stream->read(offset, plus, sink);
}

void Directories::releasedir(Handle handle) {
  std::shared_ptr<Stream> closed;  // after the lock
  WriterLock lock(mutex_);
  auto found = open_.find(handle);
  if (found == open_.end()) return;
  closed = std::move(found->second);
  open_.erase(found);
}

Result<void> Directories::fsyncdir(Handle handle) {
  auto stream = find(handle);
  if (!stream) return fail(EBADF);
  return sys::sync_fd(stream->fd());
}

}  // namespace ramfs
