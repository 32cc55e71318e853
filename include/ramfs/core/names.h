#pragma once

#include <array>
#include <functional>
#include <string>

#include "ramfs/base/mutex.h"
#include "ramfs/core/file_hooks.h"
#include "ramfs/core/filesystem.h"
#include "ramfs/core/inode_table.h"

namespace ramfs {

// Names: the backing filesystem has them all, and decides. What is ours is to know which inode a
// name leads to, to keep open files alive when their last name goes, and to tell the data half what
// happens to its files. Signatures and errors are those of Filesystem. Safe from any thread.
class Names {
 public:
  Names(Backing& backing, InodeTable& table, InodeFiles& files, FileHooks& hooks)
      : backing_(backing), table_(table), files_(files), hooks_(hooks) {}

  Result<Entry> lookup(InodeId parent, const char* name);
  void forget(InodeId inode, uint64_t lookups);
  Result<Entry> mknod(InodeId parent, const char* name, mode_t mode, dev_t device,
                      const Caller& caller);
  Result<Entry> mkdir(InodeId parent, const char* name, mode_t mode, const Caller& caller);
  Result<Entry> symlink(InodeId parent, const char* name, const char* target, const Caller& caller);
  Result<Entry> link(InodeId inode, InodeId parent, const char* name);
  Result<void> unlink(InodeId parent, const char* name);
  Result<void> rmdir(InodeId parent, const char* name);
  Result<void> rename(InodeId parent, const char* name, InodeId new_parent, const char* new_name,
                      unsigned flags, const Caller& caller);
  Result<std::string> readlink(InodeId inode);

  // --- for the other parts of core

  // A directory and an O_PATH (or other) descriptor of it. ESTALE: not known, or gone.
  struct Directory {
    InodePtr inode;
    FdLease fd;
  };
  Result<Directory> directory(InodeId inode);

  struct Found {
    InodePtr inode;
    sys::Attributes attributes;  // overlaid

    Entry entry() const { return {inode->id, attributes}; }
  };
  // The file behind any descriptor of it, which is `name` in `parent` (null, null: it has no name
  // yet). The kernel gets one lookup more.
  Result<Found> remember(const Inode* parent, const char* name, int node);
  // The file of this name in an open directory; one lookup more.
  Result<Found> enter(const Inode& parent, int directory, const char* name);

 private:
  // What a name leads to before it changes. `inode` is null if nobody knows it.
  struct Node {
    FdLease fd;
    sys::Attributes attributes{};
    InodePtr inode;

    bool regular() const { return (attributes.stx_mode & S_IFMT) == S_IFREG; }
    bool has_data() const { return inode && inode->data() != nullptr; }
  };
  Result<Node> find(const Inode& parent, int directory, const char* name);
  Result<Entry> parent_of(const Inode& inode);

  Result<FileKey> key_of(const Inode* parent, const char* name, int node,
                         const sys::Attributes& attributes);
  Result<Entry> make(InodeId parent, const char* name, mode_t mode, const Caller& caller,
                     const std::function<Result<void>(int directory)>& call);
  Result<void> remove(InodeId parent, const char* name,
                      Result<void> (*call)(int directory, const char* name));
  void hold_before_removal(const Node& victim);
  enum class Event { removed, linked, failed };
  void settle(const Node& victim, Event event);
  Result<void> before_rename(const Node& source, const Node* target, unsigned flags);
  void after_rename(const Node& source, const Node* target, unsigned flags);

  Backing& backing_;
  InodeTable& table_;
  InodeFiles& files_;
  FileHooks& hooks_;
  // Whether a file still has a name, and the pin that follows from it, are one step. By inode.
  std::array<Mutex, 64> pins_;
};

}  // namespace ramfs
