#include "mounts.h"

#include <fmt/core.h>

#include <filesystem>

#include "mount_table.h"

namespace ramfs::ctl {
namespace {

std::string without_last_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string lexical(const std::string& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return without_last_slash((error ? std::filesystem::path(path) : absolute).lexically_normal());
}

bool lies_in(const std::string& path, const std::string& mount) {
  if (mount == "/") return true;
  return path.starts_with(mount) && (path.size() == mount.size() || path[mount.size()] == '/');
}

// The innermost mount around `path`.
const MountRecord* mount_around(const std::vector<MountRecord>& mounts, const std::string& path) {
  const MountRecord* best = nullptr;
  for (const MountRecord& mount : mounts) {
    if (!lies_in(path, mount.mountpoint)) continue;
    if (!best || mount.mountpoint.size() >= best->mountpoint.size()) best = &mount;
  }
  return best;
}

}  // namespace

std::string resolved(const std::string& path) {
  std::error_code error;
  std::filesystem::path absolute = lexical(path);
  std::filesystem::path canonical = std::filesystem::weakly_canonical(absolute, error);
  if (!error) return without_last_slash(canonical);
  std::filesystem::path parent = std::filesystem::weakly_canonical(absolute.parent_path(), error);
  return error ? absolute.string() : (parent / absolute.filename()).string();
}

const MountRecord* mount_at(const std::vector<MountRecord>& mounts, const std::string& place) {
  // As written first: looking at the file system may wait for a daemon that hangs.
  for (const std::string& path : {lexical(place), resolved(place)}) {
    const MountRecord* found = nullptr;
    for (const MountRecord& mount : mounts) {
      if (mount.mountpoint == path) found = &mount;
    }
    if (found) return found;
  }
  return nullptr;
}

MountRecord find_mount(const std::string& mount) {
  std::vector<MountRecord> mounts = list_mounts();
  if (!mount.empty()) {
    if (const MountRecord* found = mount_at(mounts, mount)) return *found;
    if (MountTable().ours_at(resolved(mount))) {
      throw CommandError(fmt::format(
          "{}: it is another user's mount, or its daemon has died: then unmount it and mount again",
          mount));
    }
    throw CommandError(fmt::format("{}: no ramfs is mounted there", mount));
  }
  if (mounts.empty()) throw CommandError("no ramfs mount found");
  if (mounts.size() > 1) {
    std::string names;
    for (const MountRecord& one : mounts) names += " " + one.mountpoint;
    throw CommandError("more than one ramfs is mounted, name one of:" + names, kUsage);
  }
  return mounts.front();
}

std::map<std::string, PathsOfMount> locate(const std::vector<std::string>& paths) {
  std::vector<MountRecord> mounts = list_mounts();
  if (mounts.empty()) throw CommandError("no ramfs mount found");
  std::map<std::string, PathsOfMount> result;
  for (const std::string& path : paths) {
    std::string place = resolved(path);  // a symbolic link may lead into a mount, or out of it
    const MountRecord* mount = mount_around(mounts, place);
    if (!mount) throw CommandError(fmt::format("{}: not in a ramfs mount of this user", path));
    size_t skip = mount->mountpoint == "/" ? 1 : mount->mountpoint.size() + 1;
    PathsOfMount& of_mount = result[mount->mountpoint];
    of_mount.mount = *mount;
    of_mount.paths.push_back({path, place.size() > skip ? place.substr(skip) : std::string()});
  }
  return result;
}

}  // namespace ramfs::ctl
