// System calls of each operation, where a descriptor of the file is cached (open_by_handle_at and a
// close of another if not):
//
//   getattr     statx
//   setattr     one for the mode, one for the owner, one for both times, and statx
//   *xattr      one

#include "ramfs/core/attributes.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "ramfs/core/acting.h"
#include "ramfs/os/node.h"

namespace ramfs {
namespace {

constexpr const char* kCapabilities = "security.capability";
constexpr const char* kAccessAcl = "system.posix_acl_access";
constexpr std::string_view kTrusted = "trusted.";
constexpr mode_t kPermissions = 07777;

struct timespec time_argument(const std::optional<Timestamp>& time, bool now) {
  if (now) return {0, UTIME_NOW};
  if (!time) return {0, UTIME_OMIT};
  struct statx_timestamp value = sys::to_statx(*time);
  return {static_cast<time_t>(value.tv_sec), static_cast<long>(value.tv_nsec)};
}

// The bytes that a command reads or writes; 0 for one that we do not know. Some are declared with a
// long and carry an int.
size_t argument_size(unsigned command) {
  switch (command) {
    case FS_IOC_GETFLAGS:
    case FS_IOC_SETFLAGS:
    case FS_IOC_GETVERSION:
      return sizeof(int);
    case FS_IOC_FSGETXATTR:
    case FS_IOC_FSSETXATTR:
      return sizeof(struct fsxattr);
    default:
      return 0;
  }
}

bool sets(unsigned command) {
  return command == FS_IOC_SETFLAGS || command == FS_IOC_FSSETXATTR;
}

// Whether a command would make the file refuse our writeback.
bool locks_down(unsigned command, std::span<const std::byte> argument) {
  unsigned flags = 0;
  std::memcpy(&flags, argument.data(), sizeof flags);  // the first field of both
  if (command == FS_IOC_SETFLAGS) return flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
  if (command == FS_IOC_FSSETXATTR) return flags & (FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND);
  return false;
}

}  // namespace

Result<AttributeStore::Target> AttributeStore::target(InodeId id) {
  Target result{table_.find(id), nullptr};
  if (!result.inode) return fail(ESTALE);
  auto fd = files_.any(*result.inode);
  if (!fd) return fail(fd.error());
  result.fd = std::move(*fd);
  return result;
}

Result<void> AttributeStore::write_back(const InodePtr& inode) {
  return inode->data() ? hooks_.before_rename(inode) : Result<void>();
}

Result<sys::Attributes> AttributeStore::getattr(InodeId id) {
  auto file = target(id);
  if (!file) return fail(file.error());
  auto attributes = sys::stat_fd(file->node());
  if (attributes) hooks_.overlay(*file->inode, *attributes);
  return attributes;
}

Result<void> AttributeStore::clear_privileges(const InodePtr& inode, int node) {
  auto attributes = sys::stat_fd(node);
  if (!attributes) return fail(attributes.error());
  mode_t mode = attributes->stx_mode;
  if (!S_ISREG(mode)) return {};
  mode_t kept = mode & ~static_cast<mode_t>(S_ISUID);
  if (mode & S_IXGRP) kept &= ~static_cast<mode_t>(S_ISGID);
  if (kept != mode) {
    if (auto done = sys::change_mode(node, kept & kPermissions); !done) return done;
  }
  auto removed = sys::remove_xattr(node, kCapabilities);
  if (removed || kept != mode) hooks_.metadata_changed(inode);
  if (removed || removed.error() == Errno{ENODATA} || removed.error() == Errno{EOPNOTSUPP}) {
    return {};
  }
  // A daemon without the right to them: the kernel takes them away when it writes the file back.
  if (removed.error() == Errno{EPERM}) return {};
  return removed;
}

// The backing filesystem drops set-user-id, set-group-id and capabilities as for any chown, but for
// one case that depends on who asks, and it is us who ask.
Result<void> AttributeStore::change_owner(const Target& file, const AttributeChange& change,
                                          const Caller& caller) {
  bool strip = false;
  sys::Attributes before{};
  if (caller.uid != 0 && file.inode->type == S_IFREG) {
    auto attributes = sys::stat_fd(file.node());
    if (!attributes) return fail(attributes.error());
    before = *attributes;
    strip = (before.stx_mode & S_ISGID) && !in_group(caller, before.stx_gid);
  }
  constexpr auto kLeave = static_cast<uid_t>(-1);
  auto done =
      sys::change_owner(file.node(), change.uid.value_or(kLeave), change.gid.value_or(kLeave));
  if (!done || !strip) return done;
  return sys::change_mode(file.node(), before.stx_mode & (kPermissions & ~(S_ISUID | S_ISGID)));
}

Result<sys::Attributes> AttributeStore::setattr(InodeId id, const AttributeChange& change,
                                                const Caller& caller) {
  auto file = target(id);
  if (!file) return fail(file.error());
  bool owner = change.uid || change.gid;
  if (owner) {
    if (auto done = change_owner(*file, change, caller); !done) return fail(done.error());
  } else if (change.kill_suid_sgid) {
    auto done = clear_privileges(file->inode, file->node());
    if (!done) return fail(done.error());
  }
  if (change.mode) {
    if (file->inode->type == S_IFLNK) return fail(EOPNOTSUPP);
    auto done = sys::change_mode(file->node(), *change.mode & kPermissions);
    if (!done) return fail(done.error());
  }
  bool times = change.atime || change.mtime || change.atime_now || change.mtime_now;
  if (times) {
    auto done = sys::change_times(file->node(), time_argument(change.atime, change.atime_now),
                                  time_argument(change.mtime, change.mtime_now));
    if (!done) return fail(done.error());
  }
  if (owner || change.mode || times) hooks_.metadata_changed(file->inode);
  auto attributes = sys::stat_fd(file->node());
  if (attributes) hooks_.overlay(*file->inode, *attributes);
  return attributes;
}

Result<std::string> AttributeStore::getxattr(InodeId id, const char* name) {
  auto file = target(id);
  if (!file) return fail(file.error());
  return sys::get_xattr(file->node(), name);
}

Result<std::string> AttributeStore::listxattr(InodeId id, const Caller& caller) {
  auto file = target(id);
  if (!file) return fail(file.error());
  auto names = sys::list_xattrs(file->node());
  if (!names || caller.uid == 0) return names;
  std::string shown;
  for (size_t at = 0; at < names->size();) {
    size_t end = names->find('\0', at) + 1;
    std::string_view name(names->data() + at, end - at);
    if (!name.starts_with(kTrusted)) shown += name;
    at = end;
  }
  return shown;
}

Result<void> AttributeStore::setxattr(InodeId id, const char* name, std::string_view value,
                                      int flags, const Caller& caller) {
  auto file = target(id);
  if (!file) return fail(file.error());
  // A write takes capabilities away, and writeback is one.
  if (std::strcmp(name, kCapabilities) == 0) {
    if (auto ready = write_back(file->inode); !ready) return ready;
  }
  if (auto done = sys::set_xattr(file->node(), name, value, flags); !done) return done;
  hooks_.metadata_changed(file->inode);
  if (caller.uid == 0 || std::strcmp(name, kAccessAcl) != 0) return {};
  // As chmod does: who is not in the group of a file cannot leave it set-group-id.
  auto attributes = sys::stat_fd(file->node());
  if (!attributes) return fail(attributes.error());
  if (!(attributes->stx_mode & S_ISGID) || in_group(caller, attributes->stx_gid)) return {};
  return sys::change_mode(file->node(), attributes->stx_mode & (kPermissions & ~S_ISGID));
}

Result<void> AttributeStore::removexattr(InodeId id, const char* name) {
  auto file = target(id);
  if (!file) return fail(file.error());
  auto done = sys::remove_xattr(file->node(), name);
  if (done) hooks_.metadata_changed(file->inode);
  return done;
}

Result<std::string> AttributeStore::file_flags(InodeId id, unsigned command,
                                               std::string_view argument) {
  size_t size = argument_size(command);
  if (size == 0) return fail(ENOTTY);
  InodePtr inode = table_.find(id);
  if (!inode) return fail(ESTALE);
  if (inode->type != S_IFREG && inode->type != S_IFDIR) return fail(ENOTTY);
  if (sets(command) && argument.size() < size) return fail(EINVAL);
  auto fd = files_.open(*inode, InodeFiles::Access::read);
  if (!fd) return fail(fd.error());

  alignas(8) std::array<std::byte, 64> buffer{};
  std::copy_n(std::as_bytes(std::span(argument)).begin(), std::min(argument.size(), buffer.size()),
              buffer.begin());
  if (locks_down(command, buffer)) {
    if (auto ready = write_back(inode); !ready) return fail(ready.error());
  }
  if (auto done = sys::control((*fd)->get(), command, buffer); !done) return fail(done.error());
  if (!sets(command)) return std::string(reinterpret_cast<const char*>(buffer.data()), size);
  hooks_.metadata_changed(inode);
  return std::string();
}

Result<struct statvfs> AttributeStore::statfs(InodeId id) {
  auto file = target(id);
  auto result = sys::statvfs_fd(file ? file->node() : backing_.root());
  if (!result || (file && file->inode->device != backing_.device())) return result;
  uint64_t unit = result->f_frsize ? result->f_frsize : result->f_bsize;
  uint64_t promised = (hooks_.promised_bytes() + unit - 1) / unit;
  result->f_bfree -= std::min<uint64_t>(promised, result->f_bfree);
  result->f_bavail -= std::min<uint64_t>(promised, result->f_bavail);
  return result;
}

}  // namespace ramfs
