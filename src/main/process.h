#pragma once

#include <functional>
#include <string>

namespace ramfs {

// Memory, limits and rights of this process. Before the first thread.
void prepare_process();

// How many descriptors the process may have open.
size_t descriptor_limit();

// Whether we may mount a tmpfs of our own. In a container root may lack the right.
bool may_mount();

// Throws std::runtime_error with one line unless /dev/fuse is there and ours to open.
void check_fuse_device();

// Serves in a child process without a terminal. Returns, in the parent, what to exit with: 0 as
// soon as the child has called `ready`; 1 when it ended before, after printing its one line.
// `serve` runs in the child and gets what to call when the mount is usable.
int in_background(const std::function<int(const std::function<void()>& ready)>& serve);

// "ramfs: ..." in one line on standard error.
void print_failure(const std::string& reason);

}  // namespace ramfs
