#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <memory>

#include "ramfs/base/mutex.h"
#include "ramfs/core/filesystem.h"
#include "ramfs/core/inode_table.h"
#include "ramfs/core/names.h"

namespace ramfs {

// Open directories, each with a descriptor of its own: the backing filesystem's offsets stay true
// while names come and go. Signatures and errors are those of Filesystem. Safe from any thread.
class Directories {
 public:
  Directories(InodeTable& table, InodeFiles& files, Names& names);
  ~Directories();

  Result<Handle> opendir(InodeId inode);
  Result<void> readdir(Handle handle, uint64_t offset, bool plus, const DirectorySink& sink);
  void releasedir(Handle handle);
  Result<void> fsyncdir(Handle handle);

 private:
  class Stream;
  std::shared_ptr<Stream> find(Handle handle);

  InodeTable& table_;
  InodeFiles& files_;
  Names& names_;
  SharedMutex mutex_;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<Handle, std::shared_ptr<Stream>> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ramfs
