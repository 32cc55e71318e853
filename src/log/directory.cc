#include "directory.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "ramfs/os/fd.h"
#include "record_format.h"

namespace ramfs {
namespace {

[[noreturn]] void throw_errno(const std::string& directory, const char* what) {
  throw std::runtime_error(fmt::format("log {} {}: {}", directory, what, std::strerror(errno)));
}

// The new name must be as durable as what will be stored under it.
void sync_directory(const std::filesystem::path& path, const std::string& directory) {
  Fd fd(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) throw_errno(directory, "cannot be created");
}

void make_directories(const std::filesystem::path& path, const std::string& directory) {
  int made = ::mkdir(path.c_str(), 0700);
  if (made != 0 && errno == EEXIST) return;
  if (made != 0 && errno == ENOENT && path.has_parent_path()) {
    make_directories(path.parent_path(), directory);
    made = ::mkdir(path.c_str(), 0700);
  }
  if (made != 0) throw_errno(directory, "cannot be created");
  sync_directory(path.parent_path(), directory);
}

}  // namespace

std::string prepare_log_directory(const std::string& directory) {
  std::filesystem::path path(directory);
  if (!path.has_filename()) path = path.parent_path();  // "dir/"
  make_directories(path, directory);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) throw_errno(directory, "cannot be used");
  errno = ENOTDIR;
  if (!S_ISDIR(info.st_mode)) throw_errno(directory, "cannot be used");
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) throw_errno(directory, "is not writable");
  return path;
}

std::string newer_format(const std::string& directory, uint64_t version) {
  return fmt::format("log {} has format {}, this program knows up to {}: use the newer release",
                     directory, version, log_format::kVersion);
}

}  // namespace ramfs
