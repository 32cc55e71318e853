#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "ramfs/os/fd.h"

namespace ramfs {

// Where things of this user's mounts live: what is gone after a reboot, and what stays.
//   root:   /run/ramfs               /var/lib/ramfs
//   others: $XDG_RUNTIME_DIR/ramfs   $XDG_STATE_HOME/ramfs or ~/.local/state/ramfs (both, where
//           there is no $XDG_RUNTIME_DIR)
// Throws std::runtime_error where neither the variable nor a home directory is set.
std::string runtime_directory();
std::string state_directory();

// The name of a backing directory's own directory in those: the last component of its canonical
// path and 16 hexadecimal digits that tell equal names apart.
std::string mount_key(const std::string& backing);

// What a daemon tells about its mount, in a file of `key=value` lines that only its owner can read.
struct MountRecord {
  std::string mountpoint;
  std::string backing;
  std::string control;  // the socket
  std::string log;      // the directory
  pid_t pid = 0;
  std::string version;
};

// This user's mounts that are served now, or still being written back after an unmount.
std::vector<MountRecord> list_mounts();

// The claim of one backing directory by one daemon: a lock for as long as the process lives.
class Registration {
 public:
  // Waits for an earlier daemon that has been unmounted and is still writing back. Throws
  // std::runtime_error with one line when the directory is mounted already. `directory` is made,
  // with mode 0700.
  Registration(const std::string& directory, const std::string& backing);
  ~Registration();  // takes the record and, when nothing else is in it, the directory away
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  // Shows the record to list_mounts(); throws std::system_error.
  void publish(const MountRecord& record);

  const std::string& directory() const { return directory_; }

 private:
  const std::string directory_;
  Fd lock_;
};

}  // namespace ramfs
