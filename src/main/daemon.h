#pragma once

#include <functional>

#include "ramfs/main/options.h"

namespace ramfs {

// Builds everything bottom up, serves until the mount is gone, writes everything back, and takes
// everything down. Calls `ready` when the mount is usable. Returns what to exit with: 1 when some
// data could not be written back; it is in the log then. Throws with one line when it cannot start;
// then nothing is left mounted.
int serve(const Options& options, const std::function<void()>& ready);

}  // namespace ramfs
