#include "ramfs/fuse/mountpoint.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <libmount/libmount.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "ramfs/base/logging.h"

extern char** environ;

namespace ramfs {
namespace {

constexpr const char* kHelper = "/sbin/umount.fuse.ramfs";
constexpr const char* kHelperOption = "uhelper=fuse.ramfs";

using Table = std::unique_ptr<libmnt_table, void (*)(libmnt_table*)>;
using Update = std::unique_ptr<libmnt_update, void (*)(libmnt_update*)>;
using Entry = std::unique_ptr<libmnt_fs, void (*)(libmnt_fs*)>;

Result<void> run_fusermount(const std::string& path, Detach detach) {
  const char* arguments[] = {"fusermount3", "-u", "-q", "--", path.c_str(), nullptr};
  const char* lazily[] = {"fusermount3", "-u", "-q", "-z", "--", path.c_str(), nullptr};
  const char** chosen = detach == Detach::yes ? lazily : arguments;
  pid_t child = 0;
  int error =
      ::posix_spawnp(&child, chosen[0], nullptr, nullptr, const_cast<char**>(chosen), environ);
  if (error != 0) return fail(error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno();
  }
  // It does not say why; a mount that is in use is by far the most likely reason.
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return fail(EBUSY);
  return {};
}

bool has_umount_helper() {
  return ::geteuid() == 0 && ::access(kHelper, X_OK) == 0;
}

}  // namespace

SeenMount mount_at(const std::string& path) {
  Table table(mnt_new_table_from_file("/proc/self/mountinfo"), &mnt_unref_table);
  if (!table) return {};
  // Backwards: the last mount on a path covers the earlier ones.
  libmnt_fs* found = mnt_table_find_target(table.get(), path.c_str(), MNT_ITER_BACKWARD);
  if (!found) return {};
  auto text = [](const char* value) { return std::string(value ? value : ""); };
  return {text(mnt_fs_get_source(found)), text(mnt_fs_get_fstype(found)),
          uint64_t{mnt_fs_get_devno(found)}};
}

std::string canonical_mountpoint(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved)) return resolved;
  throw std::runtime_error(
      fmt::format("mount point {}: {}; create the directory first", path, std::strerror(errno)));
}

void clear_dead_mount(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0 || errno != ENOTCONN) return;
  if (mount_at(path).type != "fuse.ramfs") return;
  log_info("taking away the mount that a killed daemon left on {}", path);
  remove_umount_helper(path);
  auto gone = unmount_path(path, Detach::yes);
  if (!gone) {
    throw std::runtime_error(
        fmt::format("{} holds a dead mount that cannot be taken away: {}; try umount -l {}", path,
                    std::strerror(static_cast<int>(gone.error())), path));
  }
}

Result<void> unmount_path(const std::string& path, Detach detach) {
  int flags = UMOUNT_NOFOLLOW | (detach == Detach::yes ? MNT_DETACH : 0);
  if (::umount2(path.c_str(), flags) == 0) return {};
  if (errno != EPERM) return fail_errno();
  return run_fusermount(path, detach);
}

void add_umount_helper(const std::string& source, const std::string& path) {
  if (!has_umount_helper()) return;
  Entry entry(mnt_new_fs(), &mnt_unref_fs);
  Update update(mnt_new_update(), &mnt_free_update);
  if (!entry || !update) return;
  bool ok = mnt_fs_set_source(entry.get(), source.c_str()) == 0 &&
            mnt_fs_set_target(entry.get(), path.c_str()) == 0 &&
            mnt_fs_set_fstype(entry.get(), "fuse.ramfs") == 0 &&
            mnt_fs_set_options(entry.get(), kHelperOption) == 0 &&
            mnt_update_set_fs(update.get(), 0, nullptr, entry.get()) == 0 &&
            mnt_update_table(update.get(), nullptr) == 0;
  if (!ok) log_info("no utab entry: umount {} will not wait for the writeback", path);
}

void remove_umount_helper(const std::string& path) {
  if (!has_umount_helper()) return;
  Update update(mnt_new_update(), &mnt_free_update);
  if (!update) return;
  // 1: there was no entry; umount(8) has removed it.
  if (mnt_update_set_fs(update.get(), 0, path.c_str(), nullptr) == 0) {
    (void)mnt_update_table(update.get(), nullptr);
  }
}

}  // namespace ramfs
