#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ramfs/base/file_key.h"
#include "ramfs/base/ids.h"
#include "ramfs/base/mutex.h"
#include "ramfs/base/timestamp.h"
#include "ramfs/os/fd_cache.h"

namespace ramfs {

class FileData;

// A file, directory or other node of the backing directory that somebody knows: the kernel (by
// lookups), an open file, or the arena (a slot). At most 1 KB each, and no descriptor, unless it
// has no name any more.
class Inode {
 public:
  Inode(InodeId its_id, FileKey its_key, uint64_t its_device, uint64_t its_number,
        uint32_t its_type)
      : id(its_id),
        key(std::move(its_key)),
        device(its_device),
        number(its_number),
        type(its_type) {}

  const InodeId id;
  const FileKey key;
  const uint64_t device;  // Backing::device_of
  const uint64_t number;  // the backing inode number
  const uint32_t type;    // S_IFMT part of the mode

  // Where it was last seen. A hint: good for finding files where handles cannot be used, for
  // messages and for conflict copies; hard links and direct renames make it stale.
  struct Place {
    InodeId parent{0};
    std::string name;
  };
  Place place() const;
  void set_place(Place place);

  // The data of a regular file; made at the first open, gone when nothing of it is in RAM.
  std::shared_ptr<FileData> data() const;
  void set_data(std::shared_ptr<FileData> data);

  // Writeback happens later than the write that it is for, and ctime cannot be set. So that a file
  // does not seem to change again then, we go on showing `shown` while the backing file's ctime is
  // still the one that our writeback left.
  struct ChangeTime {
    Timestamp shown;
    Timestamp backing;
  };
  ChangeTime change_time() const {
    MutexLock lock(mutex_);
    return change_time_;
  }
  void set_change_time(ChangeTime time) {
    MutexLock lock(mutex_);
    change_time_ = time;
  }

  // The regular file on the backing filesystem as we last left or found it. Another version now
  // means that somebody changed it directly, and that what the kernel caches of it is stale.
  struct Version {
    uint64_t size = 0;
    Timestamp mtime;
    bool operator==(const Version&) const = default;
  };
  std::optional<Version> version() const {
    MutexLock lock(mutex_);
    return version_;
  }
  void set_version(Version version) {
    MutexLock lock(mutex_);
    version_ = version;
  }

  // Its last bytes went with its last name, before they were ever written back: ESTALE.
  std::atomic<bool> data_lost{false};

  // Keeps a file without a name alive: the descriptor that we hold instead of finding it again.
  FdLease pinned() const;
  void pin(FdLease fd);

 private:
  friend class InodeTable;

  mutable Mutex mutex_;
  Place place_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<FileData> data_ ABSL_GUARDED_BY(mutex_);
  FdLease pinned_ ABSL_GUARDED_BY(mutex_);
  ChangeTime change_time_ ABSL_GUARDED_BY(mutex_);
  std::optional<Version> version_ ABSL_GUARDED_BY(mutex_);
  uint64_t lookups_ = 0;  // guarded by the lock of the inode's shard in the table
};
using InodePtr = std::shared_ptr<Inode>;

}  // namespace ramfs
