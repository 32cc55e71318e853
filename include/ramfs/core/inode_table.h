#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "ramfs/core/inode.h"
#include "ramfs/os/backing.h"

namespace ramfs {

// Every known inode, by id and by identity (device and file key; device and number where there are
// no handles). A reused inode number gets a new Inode, because its key differs.
//
// An inode leaves the table when the kernel has forgotten it and it has no data(); a pinned
// descriptor goes with it. Who needs an inode that the kernel may not hold yet remembers it with
// one lookup, and forgets that one when data() is set. Safe from any thread; sharded; no I/O under
// its locks.
class InodeTable {
 public:
  InodeTable();
  ~InodeTable();

  // The inode of this file, made known if it was not; `lookups` is added to the kernel's count. The
  // root is found too, but not counted: it stays.
  InodePtr remember(const sys::Attributes& attributes, const FileKey& key, uint64_t lookups);
  InodePtr add_root(const sys::Attributes& attributes, const FileKey& key);

  InodePtr find(InodeId id) const;  // null: never known or forgotten
  InodePtr find(uint64_t device, uint64_t number, const FileKey& key) const;

  // The kernel gets more references to an inode that it holds.
  void add_lookups(const InodePtr& inode, uint64_t lookups);
  // The kernel forgets `lookups` of its references. Returns the inode if it left the table: its
  // cached descriptors are to be dropped then (Names::forget does both).
  InodePtr forget(InodeId id, uint64_t lookups);
  bool referenced(InodeId id) const;  // by the kernel
  // data() is gone: the inode leaves the table if that was all. True: it did.
  bool release(const InodePtr& inode);
  // The file has no name any more: where the identity is an inode number, which the filesystem may
  // use again, it must not lead here.
  void disown(const InodePtr& inode);

  size_t size() const;
  // Every inode that has data(), at some moment of the call. Walks the whole table.
  void for_each_with_data(const std::function<void(const InodePtr&)>& visit) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Descriptors of inodes, from a bounded cache, found by handle or, without handles, by path with a
// check of the inode number. ESTALE: the file is not there any more.
class InodeFiles {
 public:
  InodeFiles(const Backing& backing, const InodeTable& table, size_t capacity);

  // O_PATH, O_RDONLY, O_RDWR; never through a symlink. Only regular files and directories are
  // opened other than by path: a fifo would wait.
  enum class Access { path, read, write };
  Result<FdLease> open(const Inode& inode, Access access);
  // Whichever is at hand: for what works on every kind of descriptor.
  Result<FdLease> any(const Inode& inode);
  // The same without the cache, with exactly these flags: to let the kernel check an application's
  // open (immutable files, read-only filesystems, O_TRUNC is never passed on).
  Result<Fd> open_fresh(const Inode& inode, int flags);
  // A descriptor that was opened anyway, for example by a create.
  void keep(const Inode& inode, Access access, FdLease fd);
  // Before the last name goes: from now on the inode keeps a descriptor of its own.
  Result<void> pin(Inode& inode);
  void drop(const Inode& inode);
  size_t size() const;

  // Path relative to the backing root by the places of the inode and its ancestors; "" for the
  // root. ESTALE when an ancestor is unknown.
  Result<std::string> path(const Inode& inode) const;

 private:
  Result<Fd> open_now(const Inode& inode, int flags);
  Result<Fd> open_by_place(const Inode& inode, int flags) const;

  const Backing& backing_;
  const InodeTable& table_;
  FdCache cache_;
};

}  // namespace ramfs
