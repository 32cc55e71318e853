#pragma once

#include <cstdint>
#include <string>

#include "ramfs/base/file_key.h"
#include "ramfs/base/result.h"
#include "ramfs/os/fd.h"
#include "ramfs/os/sys.h"

namespace ramfs {

// The directory under the mount, held open from before mounting, so that mounting over it works.
// Safe from any thread.
class Backing {
 public:
  // Throws std::runtime_error with one line: missing, unreadable, not a directory.
  explicit Backing(const std::string& path);

  int root() const { return root_.get(); }           // O_RDONLY|O_DIRECTORY
  const std::string& path() const { return path_; }  // canonical
  uint64_t device() const { return device_; }        // as (major << 32 | minor) of statx

  // Files can be found again by handle: the filesystem has handles and we may open them.
  bool has_handles() const { return has_handles_; }

  // Whether the filesystem still takes changes. A filesystem that has failed or was shut down says
  // ESTALE of files that are not gone. Leaves nothing behind (O_TMPFILE).
  bool works() const;

  // By key. ESTALE: the file is gone, or the path now names another file (`inode` != 0 is checked).
  Result<Fd> open(const FileKey& key, int flags, uint64_t inode = 0) const;
  // By path relative to the root; leaves the root by no symlink and no `..`.
  Result<Fd> open_path(const std::string& relative, int flags) const;
  // Where the file is now, relative to the root ("" for the root), for messages and conflict
  // copies. ENOENT: it has no name under the root any more. A file found by handle whose
  // directories the kernel has not seen is searched for.
  Result<std::string> path_of(int fd) const;
  // Looks through the whole directory for a name of this file: as slow as find(1). ENOENT.
  Result<std::string> search(const sys::Attributes& file) const;

  static uint64_t device_of(const sys::Attributes& attributes);

 private:
  std::string path_;
  Fd root_;
  uint64_t device_;
  bool has_handles_;
};

}  // namespace ramfs
