// System calls of each operation, the parent's descriptor being cached (open_by_handle_at if not):
//
//   lookup           openat, statx, name_to_handle_at, close (a directory's descriptor is cached
//                    instead); one openat for a name that does not exist
//   mkdir, mknod     umask x2, setfsuid and setfsgid x2 (not for root), mkdirat, and a lookup;
//   symlink          /proc/PID/status where set-group-id is asked for
//   link             linkat, statx
//   unlink, rmdir    openat, statx, name_to_handle_at, unlinkat, close; one statx if it was known
//   rename           openat, statx, name_to_handle_at, close for the source and for the target if
//                    there is one, renameat2; one statx if the target was known
//   readlink         readlinkat

#include "ramfs/core/names.h"

#include <fcntl.h>
#include <linux/fs.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "ramfs/core/acting.h"
#include "ramfs/os/node.h"

namespace ramfs {
namespace {

bool same_place(const Inode::Place& place, InodeId parent, const char* name) {
  return place.parent == parent && place.name == name;
}

}  // namespace

Result<Names::Directory> Names::directory(InodeId id) {
  Directory result{table_.find(id), nullptr};
  if (!result.inode) return fail(ESTALE);
  auto fd = files_.open(*result.inode, InodeFiles::Access::path);
  if (!fd) return fail(fd.error());
  result.fd = std::move(*fd);
  return result;
}

Result<FileKey> Names::key_of(const Inode* parent, const char* name, int node,
                              const sys::Attributes& attributes) {
  if (backing_.has_handles() && Backing::device_of(attributes) == backing_.device()) {
    return sys::file_key(node);
  }
  // By path; so is a file of another filesystem that is mounted inside the backing directory.
  if (!parent) return FileKey();
  auto above = files_.path(*parent);
  if (!above) return fail(above.error());
  return FileKey::from_path(above->empty() ? name : *above + '/' + name);
}

Result<Names::Found> Names::remember(const Inode* parent, const char* name, int node) {
  auto attributes = sys::stat_fd(node);
  if (!attributes) return fail(attributes.error());
  auto key = key_of(parent, name, node, *attributes);
  if (!key) return fail(key.error());

  Found found{table_.remember(*attributes, *key, 1), *attributes};
  if (parent && !same_place(found.inode->place(), parent->id, name)) {
    found.inode->set_place({parent->id, name});
  }
  hooks_.overlay(*found.inode, found.attributes);
  return found;
}

Result<Names::Found> Names::enter(const Inode& parent, int directory, const char* name) {
  auto node = sys::open_at(directory, name, O_PATH | O_NOFOLLOW);
  if (!node) return fail(node.error());
  auto found = remember(&parent, name, node->get());
  // Directories are soon asked for what is in them.
  if (found && found->inode->type == S_IFDIR) {
    files_.keep(*found->inode, InodeFiles::Access::path,
                std::make_shared<const Fd>(std::move(*node)));
  }
  return found;
}

Result<Entry> Names::lookup(InodeId parent_id, const char* name) {
  auto parent = directory(parent_id);
  if (!parent) return fail(parent.error());
  // Asked by NFS servers only. Not by the kernel's "..", which would cross into our own mount.
  if (std::strcmp(name, "..") == 0) return parent_of(*parent->inode);
  if (std::strcmp(name, ".") == 0) {
    auto self = remember(nullptr, nullptr, parent->fd->get());
    if (!self) return fail(self.error());
    return self->entry();
  }
  auto found = enter(*parent->inode, parent->fd->get(), name);
  if (!found) return fail(found.error());
  return found->entry();
}

Result<Entry> Names::parent_of(const Inode& inode) {
  InodePtr parent =
      inode.id == kRootInode ? table_.find(kRootInode) : table_.find(inode.place().parent);
  if (!parent) return fail(ESTALE);
  auto fd = files_.any(*parent);
  if (!fd) return fail(fd.error());
  auto attributes = sys::stat_fd((*fd)->get());
  if (!attributes) return fail(attributes.error());
  table_.add_lookups(parent, 1);
  return Entry{parent->id, *attributes};
}

void Names::forget(InodeId id, uint64_t lookups) {
  if (InodePtr left = table_.forget(id, lookups)) files_.drop(*left);
}

Result<Entry> Names::make(InodeId parent_id, const char* name, mode_t mode, const Caller& caller,
                          const std::function<Result<void>(int directory)>& call) {
  auto parent = directory(parent_id);
  if (!parent) return fail(parent.error());
  auto made = as_caller(caller, mode, [&] { return call(parent->fd->get()); });
  if (!made) return fail(made.error());
  hooks_.namespace_changed();
  auto found = enter(*parent->inode, parent->fd->get(), name);
  if (!found) return fail(found.error());
  hooks_.metadata_changed(found->inode);
  return found->entry();
}

Result<Entry> Names::mknod(InodeId parent, const char* name, mode_t mode, dev_t device,
                           const Caller& caller) {
  return make(parent, name, mode, caller,
              [&](int directory) { return sys::make_node(directory, name, mode, device); });
}

Result<Entry> Names::mkdir(InodeId parent, const char* name, mode_t mode, const Caller& caller) {
  return make(parent, name, mode, caller,
              [&](int directory) { return sys::make_directory(directory, name, mode); });
}

Result<Entry> Names::symlink(InodeId parent, const char* name, const char* target,
                             const Caller& caller) {
  return make(parent, name, 0, caller,
              [&](int directory) { return sys::make_symlink(target, directory, name); });
}

Result<std::string> Names::readlink(InodeId id) {
  InodePtr inode = table_.find(id);
  if (!inode) return fail(ESTALE);
  auto node = files_.any(*inode);
  if (!node) return fail(node.error());
  return sys::read_symlink((*node)->get());
}

Result<Entry> Names::link(InodeId id, InodeId parent_id, const char* name) {
  auto parent = directory(parent_id);
  if (!parent) return fail(parent.error());
  InodePtr inode = table_.find(id);
  if (!inode) return fail(ESTALE);
  FdLease pinned = inode->pinned();  // only files without a name are
  auto node = files_.any(*inode);
  if (!node) return fail(node.error());
  if (pinned && inode->data()) {
    if (auto durable = hooks_.before_publish(inode); !durable) return fail(durable.error());
  }
  if (auto made = sys::make_link((*node)->get(), parent->fd->get(), name); !made) {
    return fail(made.error());
  }
  inode->set_place({parent->inode->id, name});
  auto attributes = sys::stat_fd((*node)->get());
  if (pinned && attributes) {
    settle({pinned, *attributes, inode}, Event::linked);
  } else {
    hooks_.metadata_changed(inode);
  }
  hooks_.namespace_changed();
  if (!attributes) return fail(attributes.error());
  hooks_.overlay(*inode, *attributes);
  table_.add_lookups(inode, 1);
  return Entry{inode->id, *attributes};
}

}  // namespace ramfs
