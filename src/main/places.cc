#include "places.h"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "process.h"
#include "ramfs/os/registry.h"

namespace ramfs {
namespace {

namespace fs = std::filesystem;

// Of a path that may not exist yet.
std::string canonical(const std::string& path) {
  std::error_code error;
  fs::path result = fs::weakly_canonical(path, error);
  return error ? path : result.string();
}

bool lies_in(const std::string& path, const std::string& directory) {
  if (path.empty()) return false;
  if (path == directory || directory == "/") return true;
  return path.starts_with(directory + "/");
}

}  // namespace

Places choose_places(const Options& options, const std::string& backing) {
  std::string key = mount_key(backing);
  Places places;
  places.runtime = runtime_directory() + "/" + key;
  places.arena_tmpfs = may_mount();
  places.arena = places.arena_tmpfs ? places.runtime + "/arena"
                                    : fmt::format("/dev/shm/ramfs-{}-{}", ::geteuid(), key);
  places.log = options.log.empty() ? state_directory() + "/" + key : options.log;
  places.control = options.control.empty() ? places.runtime + "/control.sock" : options.control;
  // The log makes its own directory, with a mode of its own; what is above is ordinary.
  std::error_code error;
  fs::create_directories(fs::path(places.log).parent_path(), error);
  if (error) {
    throw std::runtime_error(
        fmt::format("cannot make the directory for the log {}: {}; choose another with log=DIR",
                    places.log, error.message()));
  }
  return places;
}

void check_places(const Places& places, const std::string& logfile, const std::string& backing,
                  const std::string& mountpoint) {
  if (mountpoint != backing && lies_in(mountpoint, backing)) {
    throw std::runtime_error(fmt::format(
        "mount point {} lies inside the backing directory {}: choose one outside, or mount over {} "
        "itself",
        mountpoint, backing, backing));
  }
  struct {
    const char* what;
    const std::string& path;
    const char* option;
  } const things[] = {{"the log", places.log, "log=DIR"},
                      {"the control socket", places.control, "control=PATH"},
                      {"the log file", logfile, "logfile=PATH"},
                      {"the arena", places.arena, nullptr},
                      {"the runtime directory", places.runtime, nullptr}};
  for (const auto& thing : things) {
    std::string place = canonical(thing.path);
    if (mountpoint != backing && lies_in(place, backing)) {
      throw std::runtime_error(fmt::format(
          "{} {} lies inside the backing directory {}, among the files it serves: choose another "
          "place{}",
          thing.what, thing.path, backing,
          thing.option ? fmt::format(" with {}", thing.option) : std::string()));
    }
    if (!lies_in(place, mountpoint)) continue;
    throw std::runtime_error(
        fmt::format("{} {} lies inside the mount point {}, which will cover it: {}", thing.what,
                    thing.path, mountpoint,
                    thing.option ? fmt::format("choose another place with {}", thing.option)
                                 : std::string("choose another mount point")));
  }
}

}  // namespace ramfs
