#pragma once

#include <sys/statvfs.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ramfs/base/ids.h"
#include "ramfs/base/result.h"
#include "ramfs/core/options.h"
#include "ramfs/core/status.h"
#include "ramfs/os/sys.h"
#include "ramfs/writeback/writeback.h"

namespace ramfs {

class Arena;
class Backing;
class Log;

// On whose behalf a request runs.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;  // only with the requests that make something
};

// A name that was found or made. The kernel now holds one more lookup of the inode, unless the
// answer never reached it: then forget(inode, 1).
struct Entry {
  InodeId inode{0};
  sys::Attributes attributes{};
};

// An open file or directory; lives until released.
enum class Handle : uint64_t {};
inline constexpr Handle kNoHandle{0};

struct Opened {
  Handle handle = kNoHandle;
  bool direct_io = false;   // reads and writes bypass the kernel's page cache
  bool keep_cache = false;  // what the page cache holds of this file is still true
  bool no_flush = false;    // close() needs no FLUSH: it could not report anything
};

struct Created {
  Entry entry;
  Opened opened;
};

struct AttributeChange {
  std::optional<mode_t> mode;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<uint64_t> size;
  std::optional<Timestamp> atime;
  std::optional<Timestamp> mtime;
  bool atime_now = false;
  bool mtime_now = false;
  bool kill_suid_sgid = false;  // FATTR_KILL_SUIDGID: clear them where a write would
};

// One name of a directory. `entry` is set when asked for (readdirplus) and the name is not "." or
// "..": its lookup count is then the receiver's. `next` is the offset to continue behind it.
struct DirectoryItem {
  std::string_view name;
  uint64_t number;
  uint32_t type;  // DT_*
  uint64_t next;
  const Entry* entry;
};
// False: no room for this one; it is not consumed (and `entry` was not taken over).
using DirectorySink = std::function<bool(const DirectoryItem&)>;

// How long the kernel may believe what it was told.
struct CacheTimes {
  std::chrono::nanoseconds attributes;
  std::chrono::nanoseconds entries;
  std::chrono::nanoseconds negative_entries;  // zero: never
};

// Tells the kernel that what it holds is no longer true. Implemented by fuse/; the calls come from
// background threads, never from inside a request.
class KernelCache {
 public:
  virtual ~KernelCache() = default;
  virtual void drop_data(InodeId inode) = 0;  // cached pages and attributes
};

// The filesystem: every question of the kernel and of people, answered.
//
// All calls are safe from any thread, take no lock across a return, and may wait for the backing
// directory; write() and the calls that change data may also wait for writeback (back-pressure).
// Errors are the errno that the application sees.
class Filesystem {
 public:
  // Everything passed in outlives the filesystem. Replays the log and adopts what the arena still
  // holds before it returns; throws std::runtime_error with one line if that cannot be done.
  Filesystem(const CoreOptions& options, Backing& backing, Arena& arena, Log& log);
  // Background work ends; what is dirty stays in log and arena: call flush() before.
  ~Filesystem();
  Filesystem(const Filesystem&) = delete;
  Filesystem& operator=(const Filesystem&) = delete;

  void set_kernel_cache(
      KernelCache* cache);  // null: none; before the first request, after the last
  CacheTimes cache_times() const;

  // --- names
  Result<Entry> lookup(InodeId parent, const char* name);  // ENOENT
  void forget(InodeId inode, uint64_t lookups);
  Result<Entry> mknod(InodeId parent, const char* name, mode_t mode, dev_t device, const Caller&);
  Result<Entry> mkdir(InodeId parent, const char* name, mode_t mode, const Caller&);
  Result<Entry> symlink(InodeId parent, const char* name, const char* target, const Caller&);
  Result<Entry> link(InodeId inode, InodeId parent, const char* name);
  Result<void> unlink(InodeId parent, const char* name);
  Result<void> rmdir(InodeId parent, const char* name);
  // flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT (by root)
  Result<void> rename(InodeId parent, const char* name, InodeId new_parent, const char* new_name,
                      unsigned flags, const Caller&);
  Result<std::string> readlink(InodeId inode);

  // --- attributes
  Result<sys::Attributes> getattr(InodeId inode);
  Result<sys::Attributes> setattr(InodeId inode, const AttributeChange& change, const Caller&);
  Result<std::string> getxattr(InodeId inode, const char* name);
  Result<std::string> listxattr(InodeId inode, const Caller&);  // names, each with its NUL
  Result<void> setxattr(InodeId inode, const char* name, std::string_view value, int flags,
                        const Caller&);
  Result<void> removexattr(InodeId inode, const char* name);
  // FS_IOC_* with a fixed-size argument that is read (get) or written (set): GETFLAGS, SETFLAGS,
  // FSGETXATTR, FSSETXATTR, GETVERSION. ENOTTY: not one of them.
  Result<std::string> file_flags(InodeId inode, unsigned command, std::string_view argument);
  Result<struct statvfs> statfs(InodeId inode);

  // --- open files. `flags` are open(2)'s.
  Result<Created> create(InodeId parent, const char* name, mode_t mode, int flags, const Caller&);
  Result<Created> tmpfile(InodeId parent, mode_t mode, int flags, const Caller&);
  Result<Opened> open(InodeId inode, int flags, bool kill_suid_sgid);
  void release(Handle handle);
  Result<size_t> read(Handle handle, uint64_t offset, std::span<std::byte> buffer);
  Result<size_t> write(Handle handle, uint64_t offset, std::span<const std::byte> data,
                       bool kill_suid_sgid);
  Result<void> flush(Handle handle);
  Result<void> fsync(Handle handle, bool data_only);
  Result<void> fallocate(Handle handle, int mode, uint64_t offset, uint64_t length);
  Result<uint64_t> lseek(Handle handle, uint64_t offset, int whence);  // SEEK_DATA, SEEK_HOLE
  Result<size_t> copy_file_range(Handle from, uint64_t from_offset, Handle to, uint64_t to_offset,
                                 size_t length);

  // --- directories. Offsets are the backing filesystem's own, stable under change.
  Result<Handle> opendir(InodeId inode);
  Result<void> readdir(Handle handle, uint64_t offset, bool plus, const DirectorySink& sink);
  void releasedir(Handle handle);
  Result<void> fsyncdir(Handle handle);

  // --- for people
  Status status() const;
  // Where these files are. Paths are relative to the mount; ENOENT.
  Result<FileStatus> which(const std::string& path);
  // Everything (or these files) that was written before the call is in the backing files when it
  // returns success.
  Result<void> sync(const std::function<void(const WritebackProgress&)>& progress);
  Result<void> sync_path(const std::string& path);
  // The last flush: as sync(), and repeated until nothing is dirty or nothing gets better.
  Result<void> flush_everything(const std::function<void(const WritebackProgress&)>& progress);
  Result<void> evict(const std::string& path);  // drops the clean data of a file from the arena

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ramfs
