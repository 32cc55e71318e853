#include <fcntl.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "ramfs/core/inode_table.h"

namespace ramfs {
namespace {

constexpr size_t kDeepest = 4096;  // more than PATH_MAX allows: the places form a ring

uint64_t cache_key(const Inode& inode, InodeFiles::Access access) {
  return static_cast<uint64_t>(inode.id) << 2 | static_cast<uint64_t>(access);
}

int flags_of(InodeFiles::Access access) {
  switch (access) {
    case InodeFiles::Access::path:
      return O_PATH | O_NOFOLLOW;
    case InodeFiles::Access::read:
      return O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    case InodeFiles::Access::write:
      break;
  }
  return O_RDWR | O_NOFOLLOW | O_NONBLOCK;
}

bool out_of_descriptors(Errno error) {
  return error == Errno{EMFILE} || error == Errno{ENFILE};
}

bool gone(Errno error) {
  return error == Errno{ENOENT} || error == Errno{ENOTDIR};
}

}  // namespace

InodeFiles::InodeFiles(const Backing& backing, const InodeTable& table, size_t capacity)
    : backing_(backing), table_(table), cache_(capacity) {}

Result<FdLease> InodeFiles::open(const Inode& inode, Access access) {
  if (access == Access::path) {
    if (FdLease pinned = inode.pinned()) return pinned;
  } else if (inode.type != S_IFREG && inode.type != S_IFDIR) {
    return fail(ENXIO);
  }
  return cache_.get(cache_key(inode, access), [&] { return open_fresh(inode, flags_of(access)); });
}

Result<FdLease> InodeFiles::any(const Inode& inode) {
  if (FdLease pinned = inode.pinned()) return pinned;
  for (Access access : {Access::write, Access::read}) {
    if (inode.type != S_IFREG) break;
    if (FdLease cached = cache_.find(cache_key(inode, access))) return cached;
  }
  return open(inode, Access::path);
}

Result<Fd> InodeFiles::open_fresh(const Inode& inode, int flags) {
  auto file = open_now(inode, flags);
  if (file || !out_of_descriptors(file.error())) return file;
  cache_.shrink();
  return open_now(inode, flags);
}

Result<Fd> InodeFiles::open_now(const Inode& inode, int flags) {
  if (FdLease pinned = inode.pinned()) return sys::reopen(pinned->get(), flags);
  bool by_handle = backing_.has_handles() && inode.key.kind() == FileKey::Kind::handle;
  if (by_handle) return backing_.open(inode.key, flags);
  return open_by_place(inode, flags);
}

Result<Fd> InodeFiles::open_by_place(const Inode& inode, int flags) const {
  auto where = path(inode);
  if (!where) return fail(where.error());
  auto file = backing_.open_path(*where, flags);
  if (!file) return fail(gone(file.error()) ? Errno{ESTALE} : file.error());
  auto attributes = sys::stat_fd(file->get());
  if (!attributes) return fail(attributes.error());
  bool same = attributes->stx_ino == inode.number &&
              Backing::device_of(*attributes) == inode.device &&
              (attributes->stx_mode & S_IFMT) == inode.type;
  if (!same) return fail(ESTALE);
  return file;
}

void InodeFiles::keep(const Inode& inode, Access access, FdLease fd) {
  cache_.put(cache_key(inode, access), std::move(fd));
}

Result<void> InodeFiles::pin(Inode& inode) {
  if (inode.pinned()) return {};
  auto fd = open(inode, Access::path);
  if (!fd) return fail(fd.error());
  inode.pin(std::move(*fd));
  return {};
}

void InodeFiles::drop(const Inode& inode) {
  for (Access access : {Access::path, Access::read, Access::write}) {
    cache_.drop(cache_key(inode, access));
  }
}

size_t InodeFiles::size() const {
  return cache_.size();
}

Result<std::string> InodeFiles::path(const Inode& inode) const {
  std::vector<std::string> names;  // from the inode upwards
  InodeId id = inode.id;
  Inode::Place place = inode.place();
  while (id != kRootInode) {
    InodePtr parent = table_.find(place.parent);
    if (place.name.empty() || !parent || names.size() == kDeepest) {
      // Forgotten by the kernel while we still hold the file: where it was first seen, then.
      if (inode.key.kind() == FileKey::Kind::path) return std::string(inode.key.path());
      return fail(ESTALE);
    }
    names.push_back(std::move(place.name));
    id = parent->id;
    place = parent->place();
  }
  std::string result;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (!result.empty()) result += '/';
    result += *name;
  }
  return result;
}

}  // namespace ramfs
