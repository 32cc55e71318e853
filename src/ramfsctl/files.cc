#include <fmt/core.h>

#include <cstring>
#include <filesystem>

#include "client.h"
#include "commands.h"
#include "json.h"
#include "ramfs/base/units.h"

namespace ramfs::ctl {
namespace {

std::vector<std::string> inside(const std::vector<Located>& paths) {
  std::vector<std::string> result;
  for (const Located& path : paths) result.push_back(path.inside);
  return result;
}

Json to_json(const std::string& named, const MountRecord& mount, const FileAnswer& file) {
  Json json = Json::object();
  json.set("path", named).set("mount", mount.mountpoint);
  if (file.error != 0) return json.set("error", std::strerror(file.error));
  const FileStatus& s = file.status;
  json.set("home", s.home).set("binding", s.binding).set("heat", s.heat).set("size", s.size);
  json.set("arena_bytes", s.arena_bytes).set("dirty_bytes", s.dirty_bytes);
  json.set("uncommitted_bytes", s.uncommitted_bytes).set("open_handles", s.open_handles);
  return json;
}

void print(const std::string& named, const FileAnswer& file) {
  const FileStatus& s = file.status;
  fmt::print("{}: home {}, {}, heat {:.2f}, size {}, {} in the arena, {} dirty", named, s.home,
             s.binding, s.heat, format_size(s.size), format_size(s.arena_bytes),
             format_size(s.dirty_bytes));
  if (s.uncommitted_bytes != 0) fmt::print(", {} not in the log", format_size(s.uncommitted_bytes));
  if (s.open_handles != 0) fmt::print(", open {} times", s.open_handles);
  fmt::print("\n");
}

using Ask = std::vector<FileAnswer> (Client::*)(const std::vector<std::string>&);

// Asks each mount for its files; `show` gets every answer that is none of an error.
template <class Show>
int for_each_file(const std::vector<std::string>& paths, Ask ask, Show show) {
  int code = kDone;
  for (const auto& [mountpoint, of_mount] : locate(paths)) {
    Client client(of_mount.mount.control);
    std::vector<FileAnswer> answers = (client.*ask)(inside(of_mount.paths));
    for (size_t i = 0; i < answers.size() && i < of_mount.paths.size(); ++i) {
      const std::string& named = of_mount.paths[i].named;
      show(named, of_mount.mount, answers[i]);
      if (answers[i].error == 0) continue;
      fmt::print(stderr, "ramfsctl: {}: {}\n", named, std::strerror(answers[i].error));
      code = kFailed;
    }
  }
  return code;
}

}  // namespace

int which(const std::vector<std::string>& paths, bool json) {
  Json list = Json::array();
  int code = for_each_file(paths, &Client::which,
                           [&](const auto& named, const auto& mount, const FileAnswer& file) {
                             if (json) {
                               list.add(to_json(named, mount, file));
                             } else if (file.error == 0) {
                               print(named, file);
                             }
                           });
  if (json) fmt::print("{}\n", list.text());
  return code;
}

int evict(const std::vector<std::string>& paths, bool json) {
  Json list = Json::array();
  int code = for_each_file(paths, &Client::evict,
                           [&](const auto& named, const auto& mount, const FileAnswer& file) {
                             Json one = Json::object();
                             one.set("path", named).set("mount", mount.mountpoint);
                             one.set("evicted", file.error == 0);
                             if (file.error != 0) one.set("error", std::strerror(file.error));
                             list.add(std::move(one));
                           });
  if (json) fmt::print("{}\n", list.text());
  return code;
}

namespace {

// The daemon writes single files back, or everything: a directory stands for all of its mount.
std::map<std::string, PathsOfMount> located_for_sync(const std::vector<std::string>& paths) {
  std::map<std::string, PathsOfMount> work = locate(paths);
  for (auto& [mountpoint, of_mount] : work) {
    for (const Located& path : of_mount.paths) {
      std::error_code error;
      if (!std::filesystem::is_directory(path.named, error)) continue;
      of_mount.paths.clear();
      break;
    }
  }
  return work;
}

}  // namespace

int sync(const std::vector<std::string>& mount_and_paths, bool json) {
  std::vector<std::string> paths = mount_and_paths;
  std::map<std::string, PathsOfMount> work;
  if (!paths.empty()) {
    std::vector<MountRecord> mounts = list_mounts();
    if (const MountRecord* mount = mount_at(mounts, paths.front())) {
      paths.erase(paths.begin());
      work[mount->mountpoint].mount = *mount;
    }
  } else {
    MountRecord only = find_mount("");
    work[only.mountpoint].mount = only;
  }
  if (!paths.empty()) work = located_for_sync(paths);
  Json list = Json::array();
  for (const auto& [mountpoint, of_mount] : work) {
    ProgressLine line;
    Client(of_mount.mount.control).sync(inside(of_mount.paths), [&](const auto& p) {
      line.show(p);
    });
    list.add(Json::object().set("mount", mountpoint).set("synced", true));
  }
  if (json) fmt::print("{}\n", list.text());
  return kDone;
}

}  // namespace ramfs::ctl
