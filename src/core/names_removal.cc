// What takes names away: unlink, rmdir, rename.

#include <fcntl.h>
#include <linux/fs.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "ramfs/core/acting.h"
#include "ramfs/core/names.h"
#include "ramfs/os/node.h"

namespace ramfs {
namespace {

constexpr uint64_t kSmall = 1 << 20;

}  // namespace

Result<Names::Node> Names::find(const Inode& parent, int directory, const char* name) {
  auto fd = sys::open_at(directory, name, O_PATH | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  auto attributes = sys::stat_fd(fd->get());
  if (!attributes) return fail(attributes.error());
  auto key = key_of(&parent, name, fd->get(), *attributes);
  if (!key) return fail(key.error());
  Node node;
  node.inode = table_.find(Backing::device_of(*attributes), attributes->stx_ino, *key);
  node.attributes = *attributes;
  node.fd = std::make_shared<const Fd>(std::move(*fd));
  return node;
}

// From the moment its last name is gone a file can be found by no handle; but it may be open, or an
// open() may be on its way with it.
void Names::hold_before_removal(const Node& victim) {
  if (victim.regular() && victim.attributes.stx_nlink == 1 && victim.inode) {
    victim.inode->pin(victim.fd);
  }
}

// Pins by what is true now: others may link or unlink the same file at this moment, and the last of
// us to come here sees what all have done.
void Names::settle(const Node& victim, Event event) {
  if (!victim.inode) return;
  bool nameless = false;
  {
    MutexLock lock(pins_[static_cast<uint64_t>(victim.inode->id) / 64 % pins_.size()]);
    auto attributes = sys::stat_fd(victim.fd->get());
    nameless = attributes && attributes->stx_nlink == 0;
    victim.inode->pin(nameless ? victim.fd : nullptr);
    if (nameless && victim.regular()) {
      hooks_.lost_last_name(victim.inode);
      // An open() may be on its way with a small file that is replaced all the time, and must not
      // find it gone: its pin stays until the kernel forgets it. A large one that is not open goes
      // at once, so that its space is free when we return.
      bool small = attributes->stx_size <= kSmall;
      if (!victim.has_data() && !small) victim.inode->pin(nullptr);
    }
    if (!nameless && event == Event::linked) hooks_.gained_name(victim.inode);
  }
  if (nameless) {
    table_.disown(victim.inode);
    files_.drop(*victim.inode);
  } else if (event != Event::failed) {
    hooks_.metadata_changed(victim.inode);
  }
}

Result<void> Names::remove(InodeId parent_id, const char* name,
                           Result<void> (*call)(int directory, const char* name)) {
  auto parent = directory(parent_id);
  if (!parent) return fail(parent.error());
  auto victim = find(*parent->inode, parent->fd->get(), name);
  if (!victim) return fail(victim.error());
  hold_before_removal(*victim);
  auto removed = call(parent->fd->get(), name);
  settle(*victim, removed ? Event::removed : Event::failed);
  if (removed) hooks_.namespace_changed();
  return removed;
}

Result<void> Names::unlink(InodeId parent, const char* name) {
  return remove(parent, name, &sys::remove_name);
}

Result<void> Names::rmdir(InodeId parent, const char* name) {
  return remove(parent, name, &sys::remove_directory);
}

Result<void> Names::before_rename(const Node& source, const Node* target, unsigned flags) {
  auto by_path = [](const Node& node) {
    return node.inode && node.inode->key.kind() == FileKey::Kind::path;
  };
  if (by_path(source)) {
    if (auto ready = hooks_.before_rename(source.inode); !ready) return ready;
  }
  if (!target || (flags & RENAME_NOREPLACE)) return {};
  if (flags & RENAME_EXCHANGE) {
    return by_path(*target) ? hooks_.before_rename(target->inode) : Result<void>();
  }
  // After a power cut the name must lead to the old file or to the new one, never to half of it.
  if (source.regular() && target->regular() && source.has_data()) {
    if (auto durable = hooks_.before_publish(source.inode); !durable) return durable;
  }
  hold_before_removal(*target);
  return {};
}

void Names::after_rename(const Node& source, const Node* target, unsigned flags) {
  if (source.inode) hooks_.metadata_changed(source.inode);
  if (target && target->inode && (flags & RENAME_EXCHANGE)) {
    hooks_.metadata_changed(target->inode);
  }
  hooks_.namespace_changed();
}

Result<void> Names::rename(InodeId parent_id, const char* name, InodeId new_parent_id,
                           const char* new_name, unsigned flags, const Caller& caller) {
  auto from = directory(parent_id);
  if (!from) return fail(from.error());
  auto to = directory(new_parent_id);
  if (!to) return fail(to.error());
  auto source = find(*from->inode, from->fd->get(), name);
  if (!source) return fail(source.error());
  auto found = find(*to->inode, to->fd->get(), new_name);
  if (!found && found.error() != Errno{ENOENT}) return fail(found.error());
  Node* target = found ? &*found : nullptr;
  if (target && target->inode && target->inode == source->inode) target = nullptr;  // hard links

  auto ready = before_rename(*source, target, flags);
  if (!ready) return ready;
  auto call = [&] { return sys::rename_at(from->fd->get(), name, to->fd->get(), new_name, flags); };
  // The whiteout that stays behind is the caller's; nothing else is made.
  auto renamed = (flags & RENAME_WHITEOUT) ? as_caller(caller, 0, call) : call();
  bool replaced = target && (flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)) == 0;
  if (replaced) settle(*target, renamed ? Event::removed : Event::failed);
  if (!renamed) return renamed;

  if (source->inode && (target || !found)) {
    source->inode->set_place({to->inode->id, new_name});
  }
  if (target && target->inode && (flags & RENAME_EXCHANGE)) {
    target->inode->set_place({from->inode->id, name});
  }
  after_rename(*source, target, flags);
  return {};
}

}  // namespace ramfs
