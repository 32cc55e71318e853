#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "fuse_api.h"
#include "ramfs/core/filesystem.h"

namespace ramfs {

// What every operation finds behind its request.
inline Filesystem& filesystem(fuse_req_t request) {
  return *static_cast<Filesystem*>(fuse_req_userdata(request));
}

Caller caller(fuse_req_t request);
struct stat to_stat(const sys::Attributes& attributes);
fuse_entry_param to_entry_param(const Entry& entry, const CacheTimes& times);
// For the answer to open and create.
void fill(fuse_file_info& info, const Opened& opened);

// Answers a request exactly once; one that was forgotten is answered with EIO, so that nobody
// hangs. No lock may be held: after the answer the kernel may already ask to forget the inode.
//
// The answers that hand something over (a lookup, an open file) say whether the kernel took it. It
// does not when the caller was interrupted; then the operation must be undone.
class [[nodiscard]] Reply {
 public:
  explicit Reply(fuse_req_t request) : request_(request) {}
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply() {
    if (request_) (void)fuse_reply_err(request_, EIO);
  }

  void error(Errno error) && { (void)fuse_reply_err(take(), static_cast<int>(error)); }
  void done() && { (void)fuse_reply_err(take(), 0); }
  // done(), or the error.
  void result(const Result<void>& result) && {
    (void)fuse_reply_err(take(), result ? 0 : static_cast<int>(result.error()));
  }
  void none() && { fuse_reply_none(take()); }

  [[nodiscard]] bool entry(const fuse_entry_param& entry) && {
    return taken(fuse_reply_entry(take(), &entry));
  }
  [[nodiscard]] bool created(const fuse_entry_param& entry, const fuse_file_info& info) && {
    return taken(fuse_reply_create(take(), &entry, &info));
  }
  [[nodiscard]] bool opened(const fuse_file_info& info) && {
    return taken(fuse_reply_open(take(), &info));
  }
  [[nodiscard]] bool entries(std::span<const char> buffer) && {
    return taken(fuse_reply_buf(take(), buffer.data(), buffer.size()));
  }

  void attributes(const sys::Attributes& attributes, double timeout) && {
    struct stat result = to_stat(attributes);
    (void)fuse_reply_attr(take(), &result, timeout);
  }
  void statx(sys::Attributes attributes, double timeout) && {
    (void)fuse_reply_statx(take(), 0, &attributes, timeout);
  }
  void target(const std::string& target) && { (void)fuse_reply_readlink(take(), target.c_str()); }
  void data(std::span<const std::byte> data) && {
    (void)fuse_reply_buf(take(), reinterpret_cast<const char*>(data.data()), data.size());
  }
  void written(size_t count) && { (void)fuse_reply_write(take(), count); }
  void statfs(const struct statvfs& numbers) && { (void)fuse_reply_statfs(take(), &numbers); }
  void position(uint64_t offset) && { (void)fuse_reply_lseek(take(), static_cast<off_t>(offset)); }
  void ioctl(std::string_view out) && { (void)fuse_reply_ioctl(take(), 0, out.data(), out.size()); }
  // A value for a caller with room for `room` bytes; 0 asks for the length.
  void value(std::string_view value, size_t room) && {
    if (room == 0) {
      (void)fuse_reply_xattr(take(), value.size());
    } else if (value.size() > room) {
      (void)fuse_reply_err(take(), ERANGE);
    } else {
      (void)fuse_reply_buf(take(), value.data(), value.size());
    }
  }

 private:
  fuse_req_t take() { return std::exchange(request_, nullptr); }
  static bool taken(int reply) { return reply != -ENOENT; }

  fuse_req_t request_;
};

}  // namespace ramfs
