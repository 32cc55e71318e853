#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramfs/os/registry.h"

namespace ramfs::ctl {

// What ramfsctl exits with; ramfsctl(1) explains them.
enum Exit { kDone = 0, kFailed = 1, kUsage = 2, kAttention = 3 };

// One line for people, and what to exit with.
struct CommandError : std::runtime_error {
  explicit CommandError(const std::string& what, Exit code_to_exit_with = kFailed)
      : std::runtime_error(what), code(code_to_exit_with) {}
  Exit code;
};

// The mount at `mount`, or the only one there is when it is empty. Throws CommandError.
MountRecord find_mount(const std::string& mount);

// The mount at exactly this place; null when there is none.
const MountRecord* mount_at(const std::vector<MountRecord>& mounts, const std::string& place);

// A file as the user named it, and as its mount knows it ("" is the root).
struct Located {
  std::string named;
  std::string inside;
};
// By mount point: which mount each path lies in. Throws CommandError for a path in none.
struct PathsOfMount {
  MountRecord mount;
  std::vector<Located> paths;
};
std::map<std::string, PathsOfMount> locate(const std::vector<std::string>& paths);

// Absolute, symbolic links followed as far as that goes: a dead mount must still be named.
std::string resolved(const std::string& path);

}  // namespace ramfs::ctl
