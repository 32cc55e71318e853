#pragma once

#include <string>

#include "fuse_api.h"

namespace ramfs {

// Asks the kernel for what we want of what it can do, and tells in one line what that came to.
std::string negotiate(fuse_conn_info& connection);

}  // namespace ramfs
