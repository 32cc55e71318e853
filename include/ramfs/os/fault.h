#pragma once

#include <string_view>

#include "ramfs/base/result.h"

namespace ramfs {

// Named points at which a test may make us fail or die. RAMFS_FAULT in the environment, read once
// at start, holds "POINT:ACTION[:N]" entries joined by commas; ACTION is `kill` (SIGKILL to
// ourselves) or an errno name in lower case (`eio`, `enospc`, …), taken at the N-th passing
// (default 1, and for errnos at every later one too). Without the variable it costs one branch.
Result<void> fault_point(std::string_view name);

}  // namespace ramfs
