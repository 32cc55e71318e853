#include "ramfs/os/node.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include <fmt/format.h>

#include "ramfs/os/sys.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace ramfs::sys {
namespace {

Result<void> done(long result) {
  if (result == -1) return fail_errno();
  return {};
}

// The way to a node for calls that refuse O_PATH. The kernel jumps straight to the node: were it a
// symlink, it is not followed any further.
class NodePath {
 public:
  explicit NodePath(int node) {
    *fmt::format_to_n(text_, sizeof text_ - 1, "/proc/self/fd/{}", node).out = '\0';
  }
  const char* get() const { return text_; }

 private:
  char text_[32];
};

// Most values are short; the longest is XATTR_SIZE_MAX, as is the longest list.
template <class Call>
Result<std::string> read_value(Call call) {
  char small[512];
  ssize_t size = call(small, sizeof small);
  if (size >= 0) return std::string(small, static_cast<size_t>(size));
  if (errno != ERANGE) return fail_errno();
  std::string value(XATTR_SIZE_MAX, '\0');
  size = call(value.data(), value.size());
  if (size < 0) return fail_errno();
  value.resize(static_cast<size_t>(size));
  return value;
}

}  // namespace

Result<void> make_directory(int directory, const char* name, mode_t mode) {
  return done(::mkdirat(directory, name, mode));
}

Result<void> make_node(int directory, const char* name, mode_t mode, dev_t device) {
  return done(::mknodat(directory, name, mode, device));
}

Result<void> make_symlink(const char* target, int directory, const char* name) {
  return done(::symlinkat(target, directory, name));
}

Result<void> make_link(int node, int directory, const char* name) {
  // Not AT_EMPTY_PATH: that needs CAP_DAC_READ_SEARCH.
  return done(::linkat(AT_FDCWD, NodePath(node).get(), directory, name, AT_SYMLINK_FOLLOW));
}

Result<void> remove_name(int directory, const char* name) {
  return done(::unlinkat(directory, name, 0));
}

Result<void> remove_directory(int directory, const char* name) {
  return done(::unlinkat(directory, name, AT_REMOVEDIR));
}

Result<void> rename_at(int from, const char* name, int to, const char* new_name, unsigned flags) {
  return done(::renameat2(from, name, to, new_name, flags));
}

Result<std::string> read_symlink(int node) {
  return readlink_at(node, "");
}

Result<void> change_mode(int node, mode_t mode) {
  static std::atomic<bool> has_fchmodat2{true};
  if (has_fchmodat2.load(std::memory_order_relaxed)) {
    auto changed = done(::syscall(SYS_fchmodat2, node, "", mode, AT_EMPTY_PATH));
    if (changed || changed.error() != Errno{ENOSYS}) return changed;
    has_fchmodat2 = false;
  }
  return done(::chmod(NodePath(node).get(), mode));
}

Result<void> change_owner(int node, uid_t uid, gid_t gid) {
  return done(::fchownat(node, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

Result<void> change_times(int node, struct timespec atime, struct timespec mtime) {
  const struct timespec times[2] = {atime, mtime};
  return done(::utimensat(node, "", times, AT_EMPTY_PATH));
}

Result<std::string> get_xattr(int node, const char* name) {
  NodePath path(node);
  return read_value(
      [&](char* out, size_t size) { return ::getxattr(path.get(), name, out, size); });
}

Result<std::string> list_xattrs(int node) {
  NodePath path(node);
  return read_value([&](char* out, size_t size) { return ::listxattr(path.get(), out, size); });
}

Result<void> set_xattr(int node, const char* name, std::string_view value, int flags) {
  return done(::setxattr(NodePath(node).get(), name, value.data(), value.size(), flags));
}

Result<void> remove_xattr(int node, const char* name) {
  return done(::removexattr(NodePath(node).get(), name));
}

Result<void> control(int fd, unsigned command, std::span<std::byte> argument) {
  return done(::ioctl(fd, command, argument.data()));
}

Result<size_t> read_directory(int directory, std::span<std::byte> buffer) {
  while (true) {
    ssize_t got = ::getdents64(directory, buffer.data(), buffer.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) return fail_errno();
  }
}

Result<void> seek_directory(int directory, uint64_t offset) {
  return done(::lseek(directory, static_cast<off_t>(offset), SEEK_SET));
}

}  // namespace ramfs::sys
