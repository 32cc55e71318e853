#pragma once

#include <cstdint>
#include <string>

#include "ramfs/base/result.h"

namespace ramfs {

// A mount as /proc/self/mountinfo shows it. The topmost one at a path is the one that is seen.
struct SeenMount {
  std::string source;
  std::string type;     // "fuse.ramfs"
  uint64_t device = 0;  // st_dev; 0: nothing is mounted there
};

SeenMount mount_at(const std::string& path);

// Absolute and without symlinks, also where a dead mount makes the last component unusable.
// Throws std::runtime_error with one line: missing.
std::string canonical_mountpoint(const std::string& path);

// A killed daemon leaves its mount behind, and every access fails with ENOTCONN: takes that away.
// Throws std::runtime_error with one line if it cannot.
void clear_dead_mount(const std::string& path);

enum class Detach : bool { no, yes };

// umount2(2) as root, fusermount3 as a user. Detach::yes takes also a busy mount away.
Result<void> unmount_path(const std::string& path, Detach detach);

// The utab entry that makes umount(8) run /sbin/umount.fuse.ramfs, which waits until every byte is
// written back. Both do nothing where the helper is not installed or we are not root.
void add_umount_helper(const std::string& source, const std::string& path);
void remove_umount_helper(const std::string& path);

}  // namespace ramfs
