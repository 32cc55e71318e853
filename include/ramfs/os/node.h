#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <string_view>

#include "ramfs/base/result.h"

// System calls on names and on what is not data: modes, owners, times, extended attributes. A
// `node` is any descriptor of the file, O_PATH included; a symlink is never followed.
namespace ramfs::sys {

// --- names; `directory` may be O_PATH
Result<void> make_directory(int directory, const char* name, mode_t mode);
Result<void> make_node(int directory, const char* name, mode_t mode, dev_t device);
Result<void> make_symlink(const char* target, int directory, const char* name);
Result<void> make_link(int node, int directory, const char* name);
Result<void> remove_name(int directory, const char* name);
Result<void> remove_directory(int directory, const char* name);
Result<void> rename_at(int from, const char* name, int to, const char* new_name, unsigned flags);
Result<std::string> read_symlink(int node);

// --- attributes
Result<void> change_mode(int node, mode_t mode);  // EOPNOTSUPP: a symlink
Result<void> change_owner(int node, uid_t uid, gid_t gid);
Result<void> change_times(int node, struct timespec atime, struct timespec mtime);

Result<std::string> get_xattr(int node, const char* name);
Result<std::string> list_xattrs(int node);  // names, each with its NUL
Result<void> set_xattr(int node, const char* name, std::string_view value, int flags);
Result<void> remove_xattr(int node, const char* name);

// ioctl(2) whose argument is read and written in place; not for O_PATH.
Result<void> control(int fd, unsigned command, std::span<std::byte> argument);

// --- directories; `directory` is O_RDONLY
// getdents64(2): the bytes read, 0 at the end.
Result<size_t> read_directory(int directory, std::span<std::byte> buffer);
Result<void> seek_directory(int directory, uint64_t offset);

}  // namespace ramfs::sys
