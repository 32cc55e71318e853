#include "arena/arena_directory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <fmt/core.h>

#include "ramfs/base/logging.h"
#include "ramfs/os/sys.h"

namespace ramfs {
namespace {

[[noreturn]] void unusable(const std::string& what, const std::string& path, int error_number) {
  throw std::runtime_error(fmt::format("{} {}: {}", what, path, std::strerror(error_number)));
}

void make_directory(const std::string& path) {
  std::error_code error;
  auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) unusable("cannot create", parent.string(), error.value());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    unusable("cannot create arena", path, errno);
  }
}

Fd open_locked(const std::string& path) {
  auto directory = sys::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory) unusable("cannot open arena", path, static_cast<int>(directory.error()));
  if (::flock(directory->get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) unusable("cannot lock arena", path, errno);
    throw std::runtime_error(fmt::format("arena {} is used by another daemon", path));
  }
  return std::move(*directory);
}

// False if something else stands there by now: it was mounted over, or removed and made again.
bool is_still_at(int directory, const std::string& path) {
  struct stat ours, there;
  return ::fstat(directory, &ours) == 0 && ::stat(path.c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

bool is_mount_point(int directory) {
  struct stat here, parent;
  return ::fstat(directory, &here) == 0 && ::fstatat(directory, "..", &parent, 0) == 0 &&
         here.st_dev != parent.st_dev;
}

bool is_tmpfs(int directory) {
  struct statfs filesystem;
  return ::fstatfs(directory, &filesystem) == 0 && filesystem.f_type == TMPFS_MAGIC;
}

// Room for more than the budget: writes under way may go over it, holes are filled by pages, and
// the ledger lives here too.
uint64_t tmpfs_size(uint64_t budget_bytes) {
  constexpr uint64_t kLeast = 256 << 20;
  return budget_bytes + std::max(budget_bytes, kLeast);
}

}  // namespace

ArenaDirectory::ArenaDirectory(const ArenaOptions& options) : path_(options.directory) {
  constexpr int kAttempts = 16;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    make_directory(path_);
    directory_ = open_locked(path_);
    if (!is_still_at(directory_.get(), path_)) continue;
    check_owner();
    if (!options.mount_tmpfs) return;
    if (is_mount_point(directory_.get())) {
      if (!is_tmpfs(directory_.get())) {
        throw std::runtime_error(fmt::format("arena {} is a mount of another kind", path_));
      }
      mounted_ = true;
      return;
    }
    mount_here(options.budget_bytes);  // and take the lock of what is mounted there now
  }
  throw std::runtime_error(fmt::format("arena {} keeps changing under us", path_));
}

// Somebody else's directory, in a place like /dev/shm, would hand our users' data to them.
void ArenaDirectory::check_owner() const {
  struct stat attributes;
  if (::fstat(directory_.get(), &attributes) != 0) unusable("cannot use arena", path_, errno);
  if (attributes.st_uid != ::geteuid()) {
    throw std::runtime_error(fmt::format("arena {} belongs to another user", path_));
  }
  if ((attributes.st_mode & 07777) != 0700 && ::fchmod(directory_.get(), 0700) != 0) {
    unusable("cannot make private the arena", path_, errno);
  }
}

// Mount options, from the kernel's Documentation/filesystems/tmpfs.rst: `huge=within_size` gives a
// file huge pages where they lie wholly within its size, so small files waste nothing;
// `nr_inodes=0` means no limit of their number, which would else be half the number of pages.
// A kernel without huge pages refuses `huge`.
void ArenaDirectory::mount_here(uint64_t budget_bytes) {
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_STRICTATIME;
  std::string plain = fmt::format("size={},nr_inodes=0,mode=0700", tmpfs_size(budget_bytes));
  std::string huge = plain + ",huge=within_size";
  if (::mount("ramfs-arena", path_.c_str(), "tmpfs", kFlags, huge.c_str()) == 0) return;
  if (errno != EINVAL ||
      ::mount("ramfs-arena", path_.c_str(), "tmpfs", kFlags, plain.c_str()) != 0) {
    unusable("cannot mount a tmpfs on", path_, errno);
  }
  log_info("arena {}: this kernel has no huge pages for tmpfs", path_);
}

void ArenaDirectory::remove() {
  if (mounted_) {
    directory_.reset();
    // Detached if somebody still looks around in it: it goes when they leave.
    if (::umount2(path_.c_str(), UMOUNT_NOFOLLOW) != 0 &&
        ::umount2(path_.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0) {
      log_warn("cannot unmount arena {}: {}", path_, std::strerror(errno));
      return;
    }
  }
  if (::rmdir(path_.c_str()) != 0) {
    log_debug("arena {} stays: {}", path_, std::strerror(errno));
  }
  directory_.reset();
}

}  // namespace ramfs
