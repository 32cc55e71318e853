#include "directory.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "record_format.h"

namespace ramfs {
namespace {

[[noreturn]] void throw_errno(const std::string& directory, const char* what) {
  throw std::runtime_error(fmt::format("log {} {}: {}", directory, what, std::strerror(errno)));
}

void make_directories(const std::filesystem::path& path, const std::string& directory) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return;
  if (errno != ENOENT || !path.has_parent_path()) throw_errno(directory, "cannot be created");
  make_directories(path.parent_path(), directory);
  if (::mkdir(path.c_str(), 0700) != 0) throw_errno(directory, "cannot be created");
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
