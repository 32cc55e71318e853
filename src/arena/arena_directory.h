#pragma once

#include <string>

#include "ramfs/arena/arena.h"
#include "ramfs/os/fd.h"

namespace ramfs {

// The directory on tmpfs in which the arena lives, ours alone while this lives: it is locked, and
// the kernel drops the lock when we die.
class ArenaDirectory {
 public:
  // Creates and mounts what is missing. Throws std::runtime_error with one line.
  explicit ArenaDirectory(const ArenaOptions& options);

  int get() const { return directory_.get(); }
  const std::string& path() const { return path_; }
  // Gives the directory back to the system; nothing of ours may be in it or open any more.
  void remove();

 private:
  void mount_here(uint64_t budget_bytes);
  void check_owner() const;

  const std::string path_;
  Fd directory_;
  bool mounted_ = false;
};

}  // namespace ramfs
