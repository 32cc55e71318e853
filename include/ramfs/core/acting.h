#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "ramfs/core/filesystem.h"
#include "ramfs/os/sys.h"

namespace ramfs {

// Runs `call`, which makes something of `mode`, as the caller, so that the backing filesystem
// itself applies owner, group, umask and default ACL. The supplementary groups cost a read of
// /proc: they are looked up only where they can matter, for set-group-id and where permission comes
// by them.
template <class Call>
auto as_caller(const Caller& caller, mode_t mode, Call&& call) -> decltype(call()) {
  bool with_groups = caller.uid != 0 && (mode & S_ISGID) != 0;
  if (!with_groups) {
    sys::ActAs acting(caller.uid, caller.gid, nullptr, caller.umask);
    auto result = call();
    bool denied = !result && (result.error() == Errno{EACCES} || result.error() == Errno{EPERM});
    if (!denied || caller.uid == 0) return result;
  }
  auto groups = sys::groups_of(caller.pid);
  sys::ActAs acting(caller.uid, caller.gid, groups ? &*groups : nullptr, caller.umask);
  return call();
}

// Whether the caller may keep the set-group-id bit on a file of this group.
bool in_group(const Caller& caller, gid_t group);

}  // namespace ramfs
