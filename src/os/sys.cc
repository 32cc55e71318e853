#include "ramfs/os/sys.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>

#include <fmt/core.h>

namespace ramfs::sys {
namespace {

constexpr unsigned kAttributes = STATX_BASIC_STATS | STATX_BTIME;

// Repeats `call` while a signal interrupts it; -1 is a failure as in all system calls.
template <class Call>
auto retry(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

template <class Call>
Result<void> done(Call call) {
  if (retry(call) == -1) return fail_errno();
  return {};
}

template <class Call>
Result<Fd> opened(Call call) {
  int fd = retry(call);
  if (fd == -1) return fail_errno();
  return Fd(fd);
}

// struct file_handle with room for the largest handle.
struct alignas(file_handle) HandleBuffer {
  std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> bytes{};
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes.data()); }
};

}  // namespace

Result<Fd> open_at(int directory, const char* name, int flags, mode_t mode) {
  return opened([&] { return ::openat(directory, name, flags | O_CLOEXEC, mode); });
}

Result<Fd> reopen(int fd, int flags) {
  std::string link = fmt::format("/proc/self/fd/{}", fd);
  // The link is the kernel's own and must be followed.
  return open_at(AT_FDCWD, link.c_str(), flags & ~O_NOFOLLOW);
}

Result<Attributes> stat_at(int directory, const char* name) {
  Attributes result;
  if (::statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, kAttributes, &result) != 0) {
    return fail_errno();
  }
  return result;
}

Result<Attributes> stat_fd(int fd) {
  Attributes result;
  if (::statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, kAttributes, &result) != 0) {
    return fail_errno();
  }
  return result;
}

Result<FileKey> file_key(int fd) {
  HandleBuffer buffer;
  buffer.get()->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(fd, "", buffer.get(), &mount_id, AT_EMPTY_PATH) != 0) {
    // EOVERFLOW with the largest buffer: the filesystem has handles that nobody can use.
    return fail(errno == EOVERFLOW ? EOPNOTSUPP : errno);
  }
  std::string_view handle(reinterpret_cast<const char*>(buffer.get()->f_handle),
                          buffer.get()->handle_bytes);
  return FileKey::from_handle(buffer.get()->handle_type, handle);
}

Result<Fd> open_key(int mount, const FileKey& key, int flags) {
  if (key.kind() != FileKey::Kind::handle || key.handle().size() > MAX_HANDLE_SZ) {
    return fail(ESTALE);
  }
  HandleBuffer buffer;
  buffer.get()->handle_bytes = static_cast<unsigned>(key.handle().size());
  buffer.get()->handle_type = key.handle_type();
  std::memcpy(buffer.get()->f_handle, key.handle().data(), key.handle().size());
  return opened([&] { return ::open_by_handle_at(mount, buffer.get(), flags | O_CLOEXEC); });
}

Result<size_t> read_at(int fd, std::span<std::byte> buffer, uint64_t offset) {
  size_t total = 0;
  while (total < buffer.size()) {
    ssize_t got = retry([&] {
      return ::pread(fd, buffer.data() + total, buffer.size() - total,
                     static_cast<off_t>(offset + total));
    });
    if (got < 0) return fail_errno();
    if (got == 0) break;
    total += static_cast<size_t>(got);
  }
  return total;
}

Result<size_t> write_some_at(int fd, std::span<const std::byte> data, uint64_t offset) {
  ssize_t put =
      retry([&] { return ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset)); });
  if (put < 0) return fail_errno();
  if (put == 0) return fail(EIO);
  return static_cast<size_t>(put);
}

Result<void> write_at(int fd, std::span<const std::byte> data, uint64_t offset) {
  for (size_t total = 0; total < data.size();) {
    auto put = write_some_at(fd, data.subspan(total), offset + total);
    if (!put) return fail(put.error());
    total += *put;
  }
  return {};
}

Result<void> copy_all(int from, int to) {
  std::array<std::byte, 1 << 16> buffer;
  for (uint64_t at = 0;;) {
    auto count = read_at(from, buffer, at);
    if (!count) return fail(count.error());
    if (*count == 0) return {};
    if (auto written = write_at(to, std::span(buffer).first(*count), at); !written) return written;
    at += *count;
  }
}

Result<void> sync_fd(int fd) {
  return done([&] { return ::fsync(fd); });
}

Result<void> sync_data(int fd) {
  return done([&] { return ::fdatasync(fd); });
}

Result<void> sync_filesystem(int fd) {
  return done([&] { return ::syncfs(fd); });
}

Result<void> truncate(int fd, uint64_t size) {
  return done([&] { return ::ftruncate(fd, static_cast<off_t>(size)); });
}

Result<void> allocate(int fd, int mode, Extent extent) {
  return done([&] {
    return ::fallocate(fd, mode, static_cast<off_t>(extent.begin),
                       static_cast<off_t>(extent.length()));
  });
}

Result<void> set_mtime(int fd, Timestamp mtime) {
  struct statx_timestamp time = to_statx(mtime);
  struct timespec times[2] = {{0, UTIME_OMIT},
                              {static_cast<time_t>(time.tv_sec), static_cast<long>(time.tv_nsec)}};
  return done([&] { return ::futimens(fd, times); });
}

Result<struct statvfs> statvfs_fd(int fd) {
  struct statvfs result;
  if (retry([&] { return ::fstatvfs(fd, &result); }) != 0) return fail_errno();
  return result;
}

Result<uint64_t> seek(int fd, uint64_t offset, int whence) {
  off_t result = ::lseek(fd, static_cast<off_t>(offset), whence);
  if (result < 0) return fail_errno();
  return static_cast<uint64_t>(result);
}

Result<std::string> readlink_at(int directory, const char* name) {
  std::string target(PATH_MAX, '\0');
  ssize_t length = ::readlinkat(directory, name, target.data(), target.size());
  if (length < 0) return fail_errno();
  target.resize(static_cast<size_t>(length));
  return target;
}

Timestamp now() {
  struct timespec time;
  ::clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return {time.tv_sec * 1'000'000'000 + time.tv_nsec};
}

size_t raise_descriptor_limit() {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return before;
  return limit.rlim_cur;
}

}  // namespace ramfs::sys
