#pragma once

namespace ramfs::ctl {

// The whole of ramfsctl, and of umount.fuse.ramfs when it is called by that name.
int run(int argc, char** argv);

}  // namespace ramfs::ctl
