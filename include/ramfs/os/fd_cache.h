#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include <absl/container/flat_hash_map.h>

#include "ramfs/base/mutex.h"
#include "ramfs/base/result.h"
#include "ramfs/os/fd.h"

namespace ramfs {

// A bounded number of open descriptors by a 64-bit key, least recently used first out. A lease
// keeps its descriptor open however long it is held, also after eviction; so the bound is
// `capacity` plus the leases in use. Safe from any thread; sharded.
using FdLease = std::shared_ptr<const Fd>;

class FdCache {
 public:
  explicit FdCache(size_t capacity);
  ~FdCache();
  FdCache(const FdCache&) = delete;
  FdCache& operator=(const FdCache&) = delete;

  // The cached descriptor, or a new one from `open`, called without a lock held. Two callers may
  // open the same key at once; one descriptor stays.
  Result<FdLease> get(uint64_t key, const std::function<Result<Fd>()>& open);
  FdLease find(uint64_t key);          // null if not cached
  void put(uint64_t key, FdLease fd);  // replaces
  void drop(uint64_t key);
  size_t size() const;
  // Closes half of what is cached: for EMFILE.
  void shrink();

 private:
  struct Shard;
  Shard& shard_of(uint64_t key) const;

  const size_t shard_count_;
  const size_t shard_capacity_;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace ramfs
