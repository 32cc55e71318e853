#include "ramfs/core/inode_table.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>

#include <array>
#include <cassert>
#include <utility>
#include <vector>

#include "ramfs/base/mutex.h"

namespace ramfs {
namespace {

constexpr unsigned kShardBits = 6;
constexpr size_t kShards = size_t{1} << kShardBits;

// Who a file is: its handle, or else its number, until that is used again (disown).
struct Identity {
  uint64_t device;
  uint64_t number;
  const FileKey* key;

  bool by_handle() const { return key->kind() == FileKey::Kind::handle; }
};

Identity identity_of(const Identity& identity) {
  return identity;
}
Identity identity_of(const Inode* inode) {
  return {inode->device, inode->number, &inode->key};
}

struct IdentityHash {
  using is_transparent = void;
  template <class T>
  size_t operator()(const T& value) const {
    Identity identity = identity_of(value);
    if (identity.by_handle()) return absl::HashOf(identity.device, identity.key->bytes());
    return absl::HashOf(identity.device, identity.number);
  }
};

struct IdentityEqual {
  using is_transparent = void;
  template <class A, class B>
  bool operator()(const A& left, const B& right) const {
    Identity a = identity_of(left);
    Identity b = identity_of(right);
    if (a.device != b.device || a.by_handle() != b.by_handle()) return false;
    return a.by_handle() ? *a.key == *b.key : a.number == b.number;
  }
};

}  // namespace

// The shard is part of the id, so that both indexes of an inode lie in one shard, under one lock.
struct InodeTable::Impl {
  struct alignas(64) Shard {
    mutable Mutex mutex;
    absl::flat_hash_map<InodeId, InodePtr> by_id ABSL_GUARDED_BY(mutex);
    absl::flat_hash_set<Inode*, IdentityHash, IdentityEqual> by_identity ABSL_GUARDED_BY(mutex);
    uint64_t next ABSL_GUARDED_BY(mutex) = 1;
  };

  // The top bits: the hash tables below use the others.
  Shard& shard_of(const Identity& identity) {
    return shards[IdentityHash()(identity) >> (64 - kShardBits)];
  }
  Shard& shard_of(InodeId id) { return shards[static_cast<uint64_t>(id) & (kShards - 1)]; }
  InodeId next_id(Shard& shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    return InodeId{shard.next++ << kShardBits | static_cast<uint64_t>(&shard - shards.data())};
  }

  static void disown(Shard& shard, Inode* inode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    auto found = shard.by_identity.find(inode);
    if (found != shard.by_identity.end() && *found == inode) shard.by_identity.erase(found);
  }
  // What is returned goes after the lock: it may close a descriptor.
  static InodePtr take(Shard& shard, InodeId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    auto node = shard.by_id.extract(id);
    if (!node) return nullptr;
    disown(shard, node.mapped().get());
    return std::move(node.mapped());
  }

  InodePtr root;  // set once, before the first request
  std::array<Shard, kShards> shards;
};

InodeTable::InodeTable() : impl_(std::make_unique<Impl>()) {}
InodeTable::~InodeTable() = default;

InodePtr InodeTable::add_root(const sys::Attributes& attributes, const FileKey& key) {
  assert(!impl_->root);
  impl_->root = std::make_shared<Inode>(kRootInode, key, Backing::device_of(attributes),
                                        attributes.stx_ino, attributes.stx_mode & S_IFMT);
  return impl_->root;
}

InodePtr InodeTable::remember(const sys::Attributes& attributes, const FileKey& key,
                              uint64_t lookups) {
  Identity identity{Backing::device_of(attributes), attributes.stx_ino, &key};
  const InodePtr& root = impl_->root;
  if (root && IdentityEqual()(identity, root.get())) return root;

  uint32_t type = attributes.stx_mode & S_IFMT;
  Impl::Shard& shard = impl_->shard_of(identity);
  MutexLock lock(shard.mutex);
  auto found = shard.by_identity.find(identity);
  if (found != shard.by_identity.end()) {
    Inode* known = *found;
    if (known->type == type) {
      known->lookups_ += lookups;
      return shard.by_id.find(known->id)->second;
    }
    shard.by_identity.erase(found);  // a reused number
  }
  auto inode =
      std::make_shared<Inode>(impl_->next_id(shard), key, identity.device, identity.number, type);
  inode->lookups_ = lookups;
  shard.by_identity.insert(inode.get());
  shard.by_id.emplace(inode->id, inode);
  return inode;
}

InodePtr InodeTable::find(InodeId id) const {
  if (id == kRootInode) return impl_->root;
  Impl::Shard& shard = impl_->shard_of(id);
  MutexLock lock(shard.mutex);
  auto found = shard.by_id.find(id);
  return found == shard.by_id.end() ? nullptr : found->second;
}

InodePtr InodeTable::find(uint64_t device, uint64_t number, const FileKey& key) const {
  Identity identity{device, number, &key};
  if (impl_->root && IdentityEqual()(identity, impl_->root.get())) return impl_->root;
  Impl::Shard& shard = impl_->shard_of(identity);
  MutexLock lock(shard.mutex);
  auto found = shard.by_identity.find(identity);
  return found == shard.by_identity.end() ? nullptr : shard.by_id.find((*found)->id)->second;
}

void InodeTable::add_lookups(const InodePtr& inode, uint64_t lookups) {
  if (inode->id == kRootInode) return;
  Impl::Shard& shard = impl_->shard_of(inode->id);
  MutexLock lock(shard.mutex);
  inode->lookups_ += lookups;
}

InodePtr InodeTable::forget(InodeId id, uint64_t lookups) {
  if (id == kRootInode) return nullptr;
  Impl::Shard& shard = impl_->shard_of(id);
  MutexLock lock(shard.mutex);
  auto found = shard.by_id.find(id);
  if (found == shard.by_id.end()) return nullptr;
  Inode& inode = *found->second;
  assert(inode.lookups_ >= lookups);
  inode.lookups_ -= lookups;
  if (inode.lookups_ > 0 || inode.data()) return nullptr;
  return Impl::take(shard, id);
}

bool InodeTable::referenced(InodeId id) const {
  Impl::Shard& shard = impl_->shard_of(id);
  MutexLock lock(shard.mutex);
  auto found = shard.by_id.find(id);
  return found != shard.by_id.end() && found->second->lookups_ > 0;
}

bool InodeTable::release(const InodePtr& inode) {
  if (inode->id == kRootInode) return false;
  Impl::Shard& shard = impl_->shard_of(inode->id);
  MutexLock lock(shard.mutex);
  if (inode->lookups_ > 0 || inode->data()) return false;
  return Impl::take(shard, inode->id) != nullptr;
}

void InodeTable::disown(const InodePtr& inode) {
  if (inode->id == kRootInode || inode->key.kind() == FileKey::Kind::handle) return;
  Impl::Shard& shard = impl_->shard_of(inode->id);
  MutexLock lock(shard.mutex);
  Impl::disown(shard, inode.get());
}

size_t InodeTable::size() const {
  size_t total = impl_->root ? 1 : 0;
  for (Impl::Shard& shard : impl_->shards) {
    MutexLock lock(shard.mutex);
    total += shard.by_id.size();
  }
  return total;
}

void InodeTable::for_each_with_data(const std::function<void(const InodePtr&)>& visit) const {
  for (Impl::Shard& shard : impl_->shards) {
    std::vector<InodePtr> with_data;
    {
      MutexLock lock(shard.mutex);
      for (const auto& [id, inode] : shard.by_id) {
        if (inode->data()) with_data.push_back(inode);
      }
    }
    for (const InodePtr& inode : with_data) visit(inode);
  }
}

}  // namespace ramfs
