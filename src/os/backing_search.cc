#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include "ramfs/os/backing.h"

namespace ramfs {
namespace {

struct CloseDirectory {
  void operator()(DIR* stream) const { ::closedir(stream); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// Null: it went away, or another filesystem is mounted on it.
Directory open_directory(const Backing& backing, const std::string& path) {
  auto fd = backing.open_path(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return nullptr;
  auto attributes = sys::stat_fd(fd->get());
  bool other_mount = attributes && (attributes->stx_attributes & STATX_ATTR_MOUNT_ROOT);
  if (!attributes || (other_mount && !path.empty())) return nullptr;
  Directory stream(::fdopendir(fd->get()));
  if (stream) fd->release();
  return stream;
}

bool is_directory(int directory, const dirent& item) {
  if (item.d_type != DT_UNKNOWN) return item.d_type == DT_DIR;
  auto attributes = sys::stat_at(directory, item.d_name);
  return attributes && S_ISDIR(attributes->stx_mode);
}

bool is_same(int directory, const dirent& item, const sys::Attributes& file) {
  if (item.d_ino != file.stx_ino) return false;
  auto attributes = sys::stat_at(directory, item.d_name);
  return attributes && attributes->stx_ino == file.stx_ino &&
         Backing::device_of(*attributes) == Backing::device_of(file);
}

}  // namespace

Result<std::string> Backing::search(const sys::Attributes& file) const {
  std::vector<std::string> pending = {""};
  while (!pending.empty()) {
    std::string path = std::move(pending.back());
    pending.pop_back();
    Directory stream = open_directory(*this, path);
    if (!stream) continue;
    int directory = ::dirfd(stream.get());
    while (const dirent* item = ::readdir(stream.get())) {
      std::string_view name = item->d_name;
      if (name == "." || name == "..") continue;
      std::string here = path.empty() ? std::string(name) : path + '/' + std::string(name);
      if (is_same(directory, *item, file)) return here;
      if (is_directory(directory, *item)) pending.push_back(std::move(here));
    }
  }
  return fail(ENOENT);
}

}  // namespace ramfs
