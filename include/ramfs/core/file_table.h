#pragma once

#include <array>
#include <memory>

#include "ramfs/core/file_data.h"

namespace ramfs {

// Ties FileData to inodes: made at the first open, taken off when nothing of the file is in RAM,
// dirty or open. Thread-safe.
class FileTable {
 public:
  explicit FileTable(Services& services) : services_(services) {}

  struct Opened {
    std::shared_ptr<FileData> data;
    sys::Attributes attributes;  // of the backing file
    bool unchanged;              // nobody changed it directly since we knew it last
  };
  // The inode's data with one more open; made if there was none. `fd`: any descriptor of the file.
  Result<Opened> open(const InodePtr& inode, int fd, bool named = true);
  void close(const std::shared_ptr<FileData>& data);
  // The data is no longer needed for what just ended: takes it off its inode if it is idle.
  void let_go(FileData& data);

 private:
  Mutex& stripe(const Inode& inode) {
    return stripes_[static_cast<uint64_t>(inode.id) % stripes_.size()];
  }

  Services& services_;
  std::array<Mutex, 64> stripes_;
};

}  // namespace ramfs
