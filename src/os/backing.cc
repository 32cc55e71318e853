#include "ramfs/os/backing.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <fmt/core.h>

namespace ramfs {
namespace {

[[noreturn]] void unusable(const std::string& path, int error_number) {
  throw std::runtime_error(
      fmt::format("cannot use directory {}: {}", path, std::strerror(error_number)));
}

std::string canonical_path(const std::string& path) {
  std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) unusable(path, errno);
  return real.get();
}

Fd open_root(const std::string& path) {
  auto root = sys::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (!root) unusable(path, static_cast<int>(root.error()));
  return std::move(*root);
}

// Handles may exist and yet not be ours to open, without CAP_DAC_READ_SEARCH.
bool can_use_handles(int root) {
  auto key = sys::file_key(root);
  return key && sys::open_key(root, *key, O_PATH).has_value();
}

Result<Fd> open_by_openat2(int root, const char* path, int flags) {
  struct open_how how {};
  how.flags = static_cast<uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC | O_NOFOLLOW));
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  // EAGAIN: a rename elsewhere on the way made the kernel unsure whether `..` escaped.
  for (int attempt = 0;; ++attempt) {
    long fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno != EINTR && (errno != EAGAIN || attempt == 16)) return fail_errno();
  }
}

// The same, one component after the other, for kernels before 5.6 and sandboxes without openat2.
Result<Fd> open_by_walking(int root, std::string_view path, int flags) {
  if (path.starts_with('/')) return fail(EXDEV);
  Fd directory;
  while (true) {
    size_t slash = path.find('/');
    std::string_view component = path.substr(0, slash);
    std::string name(component.empty() ? "." : component);
    if (name == "..") return fail(EXDEV);
    bool last = slash == std::string_view::npos;
    int how = last ? flags : O_PATH | O_DIRECTORY;
    auto next = sys::open_at(directory ? directory.get() : root, name.c_str(), how | O_NOFOLLOW);
    if (!next || last) return next;
    directory = std::move(*next);
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

Backing::Backing(const std::string& path) : path_(canonical_path(path)), root_(open_root(path_)) {
  auto attributes = sys::stat_fd(root_.get());
  if (!attributes) unusable(path_, static_cast<int>(attributes.error()));
  device_ = device_of(*attributes);
  has_handles_ = can_use_handles(root_.get());
}

uint64_t Backing::device_of(const sys::Attributes& attributes) {
  return static_cast<uint64_t>(attributes.stx_dev_major) << 32 | attributes.stx_dev_minor;
}

bool Backing::works() const {
  auto probe = sys::open_at(root(), ".", O_TMPFILE | O_WRONLY, 0600);
  if (probe) return true;
  // Not every filesystem has O_TMPFILE, and not every user may write to the root.
  return probe.error() == Errno{EOPNOTSUPP} || probe.error() == Errno{EISDIR} ||
         probe.error() == Errno{EACCES};
}

Result<Fd> Backing::open(const FileKey& key, int flags, uint64_t inode) const {
  switch (key.kind()) {
    case FileKey::Kind::handle:
      return sys::open_key(root_.get(), key, flags);
    case FileKey::Kind::none:
      return fail(ESTALE);
    case FileKey::Kind::path:
      break;
  }
  auto file = open_path(std::string(key.path()), flags);
  if (!file) {
    bool gone = file.error() == Errno{ENOENT} || file.error() == Errno{ENOTDIR};
    return fail(gone ? Errno{ESTALE} : file.error());
  }
  if (inode == 0) return file;
  auto attributes = sys::stat_fd(file->get());
  if (!attributes) return fail(attributes.error());
  if (attributes->stx_ino != inode) return fail(ESTALE);
  return file;
}

Result<Fd> Backing::open_path(const std::string& relative, int flags) const {
  static std::atomic<bool> has_openat2{true};
  const char* path = relative.empty() ? "." : relative.c_str();
  if (has_openat2.load(std::memory_order_relaxed)) {
    auto file = open_by_openat2(root_.get(), path, flags);
    if (file || file.error() != Errno{ENOSYS}) return file;
    has_openat2 = false;
  }
  return open_by_walking(root_.get(), path, flags);
}

Result<std::string> Backing::path_of(int fd) const {
  auto link = [](int number) {
    return sys::readlink_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", number).c_str());
  };
  auto root = link(root_.get());
  if (!root) return fail(root.error());
  auto file = link(fd);
  if (!file) return fail(file.error());
  if (*file == *root) return std::string();

  if (file->ends_with(" (deleted)")) {
    // Or it is just called so. A file with other hard links has lost the name we knew it by.
    auto attributes = sys::stat_fd(fd);
    if (!attributes) return fail(attributes.error());
    std::string relative = file->substr(std::min(file->size(), root->size() + 1));
    auto same = sys::stat_at(root_.get(), relative.c_str());
    if (!same || same->stx_ino != attributes->stx_ino) return fail(ENOENT);
  }
  std::string prefix = root->ends_with('/') ? *root : *root + '/';
  if (file->starts_with(prefix)) return file->substr(prefix.size());
  // Found by handle, and its directory entry is not in the kernel's cache: then this is its link.
  if (*file != "/") return fail(ENOENT);  // moved out of the directory
  auto attributes = sys::stat_fd(fd);
  if (!attributes) return fail(attributes.error());
  return attributes->stx_nlink > 0 ? search(*attributes) : fail(ENOENT);
}

}  // namespace ramfs
