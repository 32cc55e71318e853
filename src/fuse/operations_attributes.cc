// Attributes of inodes: stat, setattr, extended attributes, inode flags, and of the filesystem.

#include <chrono>
#include <cstring>

#include "operations.h"
#include "reply.h"

namespace ramfs {
namespace {

double attribute_timeout(Filesystem& files) {
  return std::chrono::duration<double>(files.cache_times().attributes).count();
}

void answer_attributes(fuse_req_t request, const Result<sys::Attributes>& attributes) {
  double timeout = attribute_timeout(filesystem(request));
  Reply reply(request);
  if (!attributes) return std::move(reply).error(attributes.error());
  std::move(reply).attributes(*attributes, timeout);
}

void getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  answer_attributes(request, filesystem(request).getattr(InodeId{inode}));
}

// Asked instead of getattr when somebody wants the time of birth.
void statx(fuse_req_t request, fuse_ino_t inode, int, int, fuse_file_info*) {
  Filesystem& files = filesystem(request);
  auto attributes = files.getattr(InodeId{inode});
  double timeout = attribute_timeout(files);
  Reply reply(request);
  if (!attributes) return std::move(reply).error(attributes.error());
  std::move(reply).statx(*attributes, timeout);
}

Timestamp to_timestamp(const struct timespec& time) {
  return {int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec};
}

constexpr int kChanges = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID |
                         FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME |
                         FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW;

AttributeChange to_change(const struct stat& values, int which, const Caller& who) {
  AttributeChange change;
  if (which & FUSE_SET_ATTR_MODE) change.mode = values.st_mode;
  if (which & FUSE_SET_ATTR_UID) change.uid = values.st_uid;
  if (which & FUSE_SET_ATTR_GID) change.gid = values.st_gid;
  if (which & FUSE_SET_ATTR_SIZE) change.size = static_cast<uint64_t>(values.st_size);
  change.atime_now = which & FUSE_SET_ATTR_ATIME_NOW;
  change.mtime_now = which & FUSE_SET_ATTR_MTIME_NOW;
  // The kernel sets both the flag and its "now" form.
  if (which & FUSE_SET_ATTR_ATIME && !change.atime_now) change.atime = to_timestamp(values.st_atim);
  if (which & FUSE_SET_ATTR_MTIME && !change.mtime_now) change.mtime = to_timestamp(values.st_mtim);
  // Bit 11 of the protocol is FATTR_KILL_SUIDGID; libfuse knows it by this name.
  change.kill_suid_sgid = which & FUSE_SET_ATTR_KILL_SUID;
  // Asked for nothing: a chown to nobody else, or a fallocate or copy_file_range is about to come.
  // Left of what the kernel wanted is that the same bits go. Not so for root: that may be a write
  // which takes the capabilities alone.
  if ((which & kChanges) == 0 && who.uid != 0) change.kill_suid_sgid = true;
  return change;
}

void setattr(fuse_req_t request, fuse_ino_t inode, struct stat* values, int which,
             fuse_file_info*) {
  Caller who = caller(request);
  answer_attributes(
      request, filesystem(request).setattr(InodeId{inode}, to_change(*values, which, who), who));
}

void getxattr(fuse_req_t request, fuse_ino_t inode, const char* name, size_t room) {
  auto value = filesystem(request).getxattr(InodeId{inode}, name);
  Reply reply(request);
  if (!value) return std::move(reply).error(value.error());
  std::move(reply).value(*value, room);
}

void listxattr(fuse_req_t request, fuse_ino_t inode, size_t room) {
  auto names = filesystem(request).listxattr(InodeId{inode}, caller(request));
  Reply reply(request);
  if (!names) return std::move(reply).error(names.error());
  std::move(reply).value(*names, room);
}

void setxattr(fuse_req_t request, fuse_ino_t inode, const char* name, const char* value,
              size_t size, int flags) {
  auto result = filesystem(request).setxattr(InodeId{inode}, name, std::string_view(value, size),
                                             flags, caller(request));
  Reply(request).result(result);
}

void removexattr(fuse_req_t request, fuse_ino_t inode, const char* name) {
  auto result = filesystem(request).removexattr(InodeId{inode}, name);
  Reply(request).result(result);
}

void statfs(fuse_req_t request, fuse_ino_t inode) {
  auto numbers = filesystem(request).statfs(InodeId{inode});
  Reply reply(request);
  if (!numbers) return std::move(reply).error(numbers.error());
  std::move(reply).statfs(*numbers);
}

// The kernel has taken the argument in and has room for the answer: both by the command's size.
void ioctl(fuse_req_t request, fuse_ino_t inode, unsigned command, void*, fuse_file_info*, unsigned,
           const void* in, size_t in_size, size_t out_size) {
  std::string_view argument(in_size ? static_cast<const char*>(in) : "", in_size);
  auto answer = filesystem(request).file_flags(InodeId{inode}, command, argument);
  Reply reply(request);
  if (!answer) return std::move(reply).error(answer.error());
  std::move(reply).ioctl(std::string_view(*answer).substr(0, out_size));
}

}  // namespace

void add_attribute_operations(fuse_lowlevel_ops& operations) {
  operations.getattr = guarded<getattr>;
  operations.statx = guarded<statx>;
  operations.setattr = guarded<setattr>;
  operations.getxattr = guarded<getxattr>;
  operations.listxattr = guarded<listxattr>;
  operations.setxattr = guarded<setxattr>;
  operations.removexattr = guarded<removexattr>;
  operations.statfs = guarded<statfs>;
  operations.ioctl = guarded<ioctl>;
}

}  // namespace ramfs
