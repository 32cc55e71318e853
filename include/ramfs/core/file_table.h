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

  // The inode's data with one more open; made from `attributes` if there was none.
  std::shared_ptr<FileData> open(const InodePtr& inode, const sys::Attributes& attributes,
                                 bool named = true);
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
