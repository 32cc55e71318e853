#pragma once

// libfuse's low-level API, at the version this layer is written for.
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 18)
#include <fuse_lowlevel.h>
