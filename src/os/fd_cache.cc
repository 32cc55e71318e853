#include "ramfs/os/fd_cache.h"

#include <algorithm>
#include <cerrno>

#include <absl/hash/hash.h>

namespace ramfs {
namespace {

constexpr size_t kShards = 16;
constexpr size_t kSmallestSharded = 64;

struct Cached {
  uint64_t key;
  FdLease fd;
};
using Order = std::list<Cached>;  // most recently used first

}  // namespace

struct FdCache::Shard {
  mutable Mutex mutex;
  Order order ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<uint64_t, Order::iterator> by_key ABSL_GUARDED_BY(mutex);

  FdLease find_locked(uint64_t key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    auto found = by_key.find(key);
    if (found == by_key.end()) return nullptr;
    order.splice(order.begin(), order, found->second);
    return found->second->fd;
  }

  void insert_locked(uint64_t key, FdLease fd) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    order.push_front({key, std::move(fd)});
    by_key[key] = order.begin();
  }

  // Takes out the least recently used until `keep` are left. Whoever gets them closes them after
  // the lock is gone: close() may take long.
  Order evict_locked(size_t keep) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Order evicted;
    while (order.size() > keep) {
      by_key.erase(order.back().key);
      evicted.splice(evicted.begin(), order, std::prev(order.end()));
    }
    return evicted;
  }
};

FdCache::FdCache(size_t capacity)
    : shard_count_(capacity >= kSmallestSharded ? kShards : 1),
      shard_capacity_(std::max<size_t>(1, capacity / shard_count_)),
      shards_(new Shard[shard_count_]) {}

FdCache::~FdCache() = default;

FdCache::Shard& FdCache::shard_of(uint64_t key) const {
  return shards_[absl::HashOf(key) % shard_count_];
}

Result<FdLease> FdCache::get(uint64_t key, const std::function<Result<Fd>()>& open) {
  if (FdLease cached = find(key)) return cached;
  Result<Fd> opened = open();
  if (!opened && (opened.error() == Errno{EMFILE} || opened.error() == Errno{ENFILE})) {
    shrink();
    opened = open();
  }
  if (!opened) return fail(opened.error());

  auto lease = std::make_shared<const Fd>(std::move(*opened));
  Order evicted;
  Shard& shard = shard_of(key);
  MutexLock lock(shard.mutex);
  if (FdLease other = shard.find_locked(key)) return other;
  shard.insert_locked(key, lease);
  evicted = shard.evict_locked(shard_capacity_);
  return lease;
}

FdLease FdCache::find(uint64_t key) {
  Shard& shard = shard_of(key);
  MutexLock lock(shard.mutex);
  return shard.find_locked(key);
}

void FdCache::put(uint64_t key, FdLease fd) {
  Order evicted;
  FdLease replaced;
  Shard& shard = shard_of(key);
  MutexLock lock(shard.mutex);
  if (auto found = shard.by_key.find(key); found != shard.by_key.end()) {
    replaced = std::exchange(found->second->fd, std::move(fd));
    shard.order.splice(shard.order.begin(), shard.order, found->second);
    return;
  }
  shard.insert_locked(key, std::move(fd));
  evicted = shard.evict_locked(shard_capacity_);
}

void FdCache::drop(uint64_t key) {
  Order dropped;
  Shard& shard = shard_of(key);
  MutexLock lock(shard.mutex);
  auto found = shard.by_key.find(key);
  if (found == shard.by_key.end()) return;
  dropped.splice(dropped.begin(), shard.order, found->second);
  shard.by_key.erase(found);
}

size_t FdCache::size() const {
  size_t total = 0;
  for (size_t index = 0; index < shard_count_; ++index) {
    MutexLock lock(shards_[index].mutex);
    total += shards_[index].order.size();
  }
  return total;
}

void FdCache::shrink() {
  for (size_t index = 0; index < shard_count_; ++index) {
    Shard& shard = shards_[index];
    Order evicted;
    MutexLock lock(shard.mutex);
    evicted = shard.evict_locked(shard.order.size() / 2);
  }
}

}  // namespace ramfs
