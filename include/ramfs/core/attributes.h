#pragma once

#include <string>
#include <string_view>

#include "ramfs/core/file_hooks.h"
#include "ramfs/core/filesystem.h"
#include "ramfs/core/inode_table.h"

namespace ramfs {

// Modes, owners, times, extended attributes and flags: kept by the backing filesystem alone.
// Signatures and errors are those of Filesystem. Safe from any thread.
class AttributeStore {
 public:
  AttributeStore(Backing& backing, InodeTable& table, InodeFiles& files, FileHooks& hooks)
      : backing_(backing), table_(table), files_(files), hooks_(hooks) {}

  Result<sys::Attributes> getattr(InodeId inode);
  // Everything but the size. The kernel has checked that the caller may.
  Result<sys::Attributes> setattr(InodeId inode, const AttributeChange& change,
                                  const Caller& caller);
  Result<std::string> getxattr(InodeId inode, const char* name);
  // Without trusted.* for other users than root: the kernel filters what it lists itself only.
  Result<std::string> listxattr(InodeId inode, const Caller& caller);
  Result<void> setxattr(InodeId inode, const char* name, std::string_view value, int flags,
                        const Caller& caller);
  Result<void> removexattr(InodeId inode, const char* name);
  Result<std::string> file_flags(InodeId inode, unsigned command, std::string_view argument);
  Result<struct statvfs> statfs(InodeId inode);

  // What writing does to a file: set-user-id, set-group-id of executables and file capabilities go.
  // `node`: any descriptor of it.
  Result<void> clear_privileges(const InodePtr& inode, int node);

 private:
  // A known inode and any descriptor of it. ESTALE: not known, or gone.
  struct Target {
    InodePtr inode;
    FdLease fd;
    int node() const { return fd->get(); }
  };
  Result<Target> target(InodeId inode);
  Result<void> write_back(const InodePtr& inode);
  Result<void> change_owner(const Target& target, const AttributeChange& change,
                            const Caller& caller);

  Backing& backing_;
  InodeTable& table_;
  InodeFiles& files_;
  FileHooks& hooks_;
};

}  // namespace ramfs
