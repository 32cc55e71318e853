#include "session_init.h"

#include <fmt/core.h>

#include <string>

namespace ramfs {
namespace {

struct Feature {
  const char* name;
  uint64_t capability;
  bool wanted;
};

// Where libfuse's default is what we want it is still named: this is the list to read.
constexpr Feature kFeatures[] = {
    // The umask comes with the request: only we know whether a default ACL replaces it.
    {"dont_mask", FUSE_CAP_DONT_MASK, true},
    {"posix_acl", FUSE_CAP_POSIX_ACL, true},
    // Without it each write costs a getxattr round trip. Clearing suid, sgid and file
    // capabilities is then our job.
    {"handle_killpriv_v2", FUSE_CAP_HANDLE_KILLPRIV_V2, true},
    {"handle_killpriv", FUSE_CAP_HANDLE_KILLPRIV, false},
    // We tell the kernel when cached pages are wrong. If it looked at times and sizes itself,
    // each write would throw the file's pages away.
    {"explicit_inval_data", FUSE_CAP_EXPLICIT_INVAL_DATA, true},
    {"auto_inval_data", FUSE_CAP_AUTO_INVAL_DATA, false},
    // A write() that has returned must outlive us, so it may not wait in the page cache.
    {"writeback_cache", FUSE_CAP_WRITEBACK_CACHE, false},
    {"direct_io_allow_mmap", FUSE_CAP_DIRECT_IO_ALLOW_MMAP, true},
    {"atomic_o_trunc", FUSE_CAP_ATOMIC_O_TRUNC, true},
    {"parallel_dirops", FUSE_CAP_PARALLEL_DIROPS, true},
    {"readdirplus", FUSE_CAP_READDIRPLUS, true},
    {"readdirplus_auto", FUSE_CAP_READDIRPLUS_AUTO, true},
    {"cache_symlinks", FUSE_CAP_CACHE_SYMLINKS, true},
    {"async_read", FUSE_CAP_ASYNC_READ, true},
    {"async_dio", FUSE_CAP_ASYNC_DIO, true},
    {"ioctl_dir", FUSE_CAP_IOCTL_DIR, true},
    // The kernel's own locks serve flock, POSIX and OFD locks completely.
    {"posix_locks", FUSE_CAP_POSIX_LOCKS, false},
    {"flock_locks", FUSE_CAP_FLOCK_LOCKS, false},
    // Every open must be seen: it is what heat and coherence live on.
    {"no_open_support", FUSE_CAP_NO_OPEN_SUPPORT, false},
    {"no_opendir_support", FUSE_CAP_NO_OPENDIR_SUPPORT, false},
    // A node id is good only until it is forgotten, so file handles cannot be given out.
    {"export_support", FUSE_CAP_EXPORT_SUPPORT, false},
    {"splice_read", FUSE_CAP_SPLICE_READ, false},
    {"splice_write", FUSE_CAP_SPLICE_WRITE, false},
    {"splice_move", FUSE_CAP_SPLICE_MOVE, false},
    {"passthrough", FUSE_CAP_PASSTHROUGH, false},
    {"over_io_uring", FUSE_CAP_OVER_IO_URING, false},
};

}  // namespace

std::string negotiate(fuse_conn_info& connection) {
  std::string agreed;
  std::string missing;
  for (const Feature& feature : kFeatures) {
    if (!feature.wanted) {
      fuse_unset_feature_flag(&connection, feature.capability);
    } else if (fuse_set_feature_flag(&connection, feature.capability)) {
      agreed += fmt::format(" {}", feature.name);
    } else {
      missing += fmt::format(" {}", feature.name);
    }
  }
  connection.time_gran = 1;
  connection.max_write = 1u << 20;
  // Readahead and asynchronous writes are never throttled below what the workers can take.
  connection.max_background = 64;
  connection.congestion_threshold = 48;
  // No request of ours can be cut short; without INTERRUPT messages none is asked to.
  connection.no_interrupt = 1;
  return fmt::format("protocol {}.{}, max_write {}, with{}{}{}", connection.proto_major,
                     connection.proto_minor, connection.max_write, agreed,
                     missing.empty() ? "" : ", kernel lacks", missing);
}

}  // namespace ramfs
