#include "reply.h"

#include <sys/sysmacros.h>

#include <chrono>

namespace ramfs {
namespace {

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

struct timespec to_timespec(const struct statx_timestamp& time) {
  return {static_cast<time_t>(time.tv_sec), static_cast<long>(time.tv_nsec)};
}

}  // namespace

Caller caller(fuse_req_t request) {
  const fuse_ctx& context = *fuse_req_ctx(request);
  return {context.uid, context.gid, context.pid, context.umask};
}

struct stat to_stat(const sys::Attributes& attributes) {
  struct stat result {};
  result.st_ino = attributes.stx_ino;
  result.st_mode = attributes.stx_mode;
  result.st_nlink = attributes.stx_nlink;
  result.st_uid = attributes.stx_uid;
  result.st_gid = attributes.stx_gid;
  result.st_rdev = makedev(attributes.stx_rdev_major, attributes.stx_rdev_minor);
  result.st_size = static_cast<off_t>(attributes.stx_size);
  result.st_blksize = static_cast<blksize_t>(attributes.stx_blksize);
  result.st_blocks = static_cast<blkcnt_t>(attributes.stx_blocks);
  result.st_atim = to_timespec(attributes.stx_atime);
  result.st_mtim = to_timespec(attributes.stx_mtime);
  result.st_ctim = to_timespec(attributes.stx_ctime);
  return result;
}

fuse_entry_param to_entry_param(const Entry& entry, const CacheTimes& times) {
  fuse_entry_param result{};
  result.ino = static_cast<fuse_ino_t>(entry.inode);
  result.generation = 1;  // node ids are never reused
  result.attr = to_stat(entry.attributes);
  result.attr_timeout = seconds(times.attributes);
  result.entry_timeout = seconds(times.entries);
  return result;
}

void fill(fuse_file_info& info, const Opened& opened) {
  info.fh = static_cast<uint64_t>(opened.handle);
  info.direct_io = opened.direct_io;
  info.keep_cache = opened.keep_cache;
  info.noflush = opened.no_flush;
  // The filesystem orders writes itself.
  info.parallel_direct_writes = opened.direct_io;
}

}  // namespace ramfs
