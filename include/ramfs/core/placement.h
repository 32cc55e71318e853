#pragma once

#include <cstdint>
#include <memory>

#include "ramfs/base/ids.h"
#include "ramfs/core/services.h"

namespace ramfs {

// Which clean data is in the arena: one thread learns of uses through a concurrent queue, keeps the
// heat of each file, promotes what is warm enough and evicts what has gone cold. Thread-safe.
class Placement {
 public:
  explicit Placement(Services& services);
  ~Placement();
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  // Never blocks.
  void note_use(InodeId inode, double weight);
  double heat(InodeId inode) const;

  // Evicts clean data, coldest file first, until `bytes` of the budget are free; false if that
  // cannot be. The caller holds no lock of a file.
  bool make_room(uint64_t bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ramfs
