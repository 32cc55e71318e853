#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ramfs/base/extent_set.h"
#include "ramfs/base/file_key.h"
#include "ramfs/base/result.h"
#include "ramfs/base/timestamp.h"
#include "ramfs/os/fd.h"

// System calls, wrapped once: EINTR retried, short transfers completed, errors as Result.
namespace ramfs::sys {

using Attributes = struct statx;

Result<Fd> open_at(int directory, const char* name, int flags, mode_t mode = 0);
// A second, independent open of the same file by /proc/self/fd, with other flags.
Result<Fd> reopen(int fd, int flags);

Result<Attributes> stat_at(int directory, const char* name);  // never follows a symlink
Result<Attributes> stat_fd(int fd);                           // also O_PATH descriptors

// name_to_handle_at(2). EOPNOTSUPP where the filesystem has no handles.
Result<FileKey> file_key(int fd);
// open_by_handle_at(2); `mount` is any descriptor on the filesystem, not O_PATH. ESTALE: file gone.
// EPERM: not allowed to (needs CAP_DAC_READ_SEARCH).
Result<Fd> open_key(int mount, const FileKey& key, int flags);

// The bytes read; fewer than asked only at the end of the file.
Result<size_t> read_at(int fd, std::span<std::byte> buffer, uint64_t offset);
Result<void> write_at(int fd, std::span<const std::byte> data, uint64_t offset);  // all of it
// The bytes written: fewer than given where something came in between, never 0.
Result<size_t> write_some_at(int fd, std::span<const std::byte> data, uint64_t offset);

// The whole of one file into another, empty one; holes may become zeros.
Result<void> copy_all(int from, int to);

Result<void> sync_fd(int fd);          // fsync
Result<void> sync_data(int fd);        // fdatasync
Result<void> sync_filesystem(int fd);  // syncfs
Result<void> truncate(int fd, uint64_t size);
Result<void> allocate(int fd, int mode, Extent extent);  // fallocate
Result<void> set_mtime(int fd, Timestamp mtime);         // leaves atime alone; not for O_PATH
Result<struct statvfs> statvfs_fd(int fd);
// SEEK_DATA or SEEK_HOLE; ENXIO at or past the end.
Result<uint64_t> seek(int fd, uint64_t offset, int whence);
Result<std::string> readlink_at(int directory, const char* name);

inline Timestamp to_timestamp(const struct statx_timestamp& time) {
  return {time.tv_sec * 1'000'000'000 + time.tv_nsec};
}
inline struct statx_timestamp to_statx(Timestamp time) {
  int64_t seconds = time.ns / 1'000'000'000;
  int64_t rest = time.ns % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  struct statx_timestamp result {};
  result.tv_sec = seconds;
  result.tv_nsec = static_cast<uint32_t>(rest);
  return result;
}

// CLOCK_REALTIME_COARSE: the clock that the kernel itself stamps files with.
Timestamp now();

// Raises the soft limit of open descriptors to the hard one; returns what holds then.
size_t raise_descriptor_limit();

// The supplementary groups of a process. ESRCH: it has gone.
Result<std::vector<gid_t>> groups_of(pid_t pid);

// While it lives, this thread makes files, and is checked by the kernel, as another user: the
// filesystem uid and gid, the supplementary groups if given, and the umask. Other threads notice
// nothing. Does nothing for our own user. One a thread at a time, destroyed by the same thread.
// Throws std::system_error where the thread cannot have a umask of its own.
class ActAs {
 public:
  ActAs(uid_t uid, gid_t gid, const std::vector<gid_t>* groups, mode_t umask);
  ~ActAs();
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

 private:
  mode_t umask_before_;
  bool user_changed_ = false;
  bool groups_changed_ = false;
};

}  // namespace ramfs::sys
