#include "ramfs/core/acting.h"

#include <algorithm>

namespace ramfs {

bool in_group(const Caller& caller, gid_t group) {
  if (caller.uid == 0 || caller.gid == group) return true;
  auto groups = sys::groups_of(caller.pid);
  return groups && std::ranges::find(*groups, group) != groups->end();
}

}  // namespace ramfs
