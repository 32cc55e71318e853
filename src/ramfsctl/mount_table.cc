#include "mount_table.h"

#include <libmount/libmount.h>

#include <memory>

namespace ramfs::ctl {
namespace {

std::string text(const char* value) {
  return value ? value : "";
}

bool contains(const std::string& target, const std::string& path) {
  if (target == "/") return true;
  return path.starts_with(target) && (path.size() == target.size() || path[target.size()] == '/');
}

}  // namespace

MountTable::MountTable() {
  std::unique_ptr<libmnt_table, decltype(&mnt_unref_table)> table(
      mnt_new_table_from_file("/proc/self/mountinfo"), mnt_unref_table);
  std::unique_ptr<libmnt_iter, decltype(&mnt_free_iter)> iterator(mnt_new_iter(MNT_ITER_FORWARD),
                                                                  mnt_free_iter);
  if (!table || !iterator) return;
  libmnt_fs* found = nullptr;
  while (mnt_table_next_fs(table.get(), iterator.get(), &found) == 0) {
    mounts_.push_back({text(mnt_fs_get_target(found)), text(mnt_fs_get_source(found)),
                       text(mnt_fs_get_fstype(found)), mnt_fs_get_devno(found)});
  }
}

const KernelMount* MountTable::at(const std::string& target) const {
  const KernelMount* result = nullptr;
  for (const KernelMount& mount : mounts_) {
    if (mount.target == target) result = &mount;
  }
  return result;
}

const KernelMount* MountTable::under(const std::string& path) const {
  const KernelMount* result = nullptr;
  for (const KernelMount& mount : mounts_) {
    if (mount.type == kOurType || !contains(mount.target, path)) continue;
    if (!result || mount.target.size() >= result->target.size()) result = &mount;
  }
  return result;
}

bool MountTable::ours_at(const std::string& target) const {
  const KernelMount* mount = at(target);
  return mount && mount->type == kOurType;
}

void forget_in_utab(const std::string& target) {
  std::unique_ptr<libmnt_update, decltype(&mnt_free_update)> update(mnt_new_update(),
                                                                    mnt_free_update);
  // 0: there is something to do.
  if (update && mnt_update_set_fs(update.get(), 0, target.c_str(), nullptr) == 0) {
    mnt_update_table(update.get(), nullptr);
  }
}

}  // namespace ramfs::ctl
