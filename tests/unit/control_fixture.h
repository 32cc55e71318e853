#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ramfs/control/server.h"
#include "ramfs/os/registry.h"

namespace ramfs::testing {

class Scratch {
 public:
  Scratch() {
    std::string path = std::filesystem::temp_directory_path() / "ramfs-control-XXXXXX";
    path_ = std::filesystem::canonical(::mkdtemp(path.data()));
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A filesystem that answers what the test wrote down, and notes what it was asked.
struct FakeFilesystem {
  Status status;
  FileStatus file;
  Result<void> sync_result;
  std::vector<std::string> asked;

  ControlTarget target() {
    ControlTarget target;
    target.status = [this] { return status; };
    target.which = [this](const std::string& path) -> Result<FileStatus> {
      if (path == "missing") return fail(ENOENT);
      return file;
    };
    target.sync = [this](const auto& progress) { return flush("sync", progress); };
    target.flush_everything = [this](const auto& progress) { return flush("flush", progress); };
    target.sync_path = [this](const std::string& path) {
      asked.push_back("sync " + path);
      return sync_result;
    };
    target.evict = [this](const std::string& path) -> Result<void> {
      asked.push_back("evict " + path);
      return {};
    };
    return target;
  }

  Result<void> flush(const char* name, const ControlTarget::Progress& progress) {
    asked.push_back(name);
    progress({.files_left = 7, .bytes_left = 4096});
    progress({.files_left = 0, .bytes_left = 0});
    return sync_result;
  }

  ControlOptions options(const Scratch& scratch) {
    return {.socket = scratch / "socket",
            .mountpoint = scratch / "mnt",
            .backing = scratch / "data",
            .version = "1.2.3",
            .unmount = [this] { asked.push_back("end"); },
            .log_stats = [] { return LogStats{.live_bytes = 11, .syncs = 12}; }};
  }
};

// This process and its children see no mounts but those of the test.
class OwnRuntimeDirectory : public ::testing::Environment {
 public:
  void SetUp() override {
    if (::geteuid() != 0) {
      ::setenv("XDG_RUNTIME_DIR", scratch_.path().c_str(), 1);
      hidden = true;
      return;
    }
    std::error_code error;
    std::filesystem::create_directories("/run/ramfs", error);
    hidden = !error && ::unshare(CLONE_NEWNS) == 0 &&
             ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
             ::mount("none", "/run/ramfs", "tmpfs", 0, "mode=0700") == 0;
  }

  static inline bool hidden = false;

 private:
  Scratch scratch_;
};

struct Ran {
  int code;
  std::string out, err;
};

// Runs ramfsctl, as built, in `directory`.
inline Ran ramfsctl(std::vector<std::string> arguments, const std::string& directory = "/") {
  Scratch scratch;
  std::string out = scratch / "out", err = scratch / "err";
  arguments.insert(arguments.begin(), std::getenv("RAMFSCTL"));
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  int error = ::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return {-error, "", ""};
  int status = 0;
  ::waitpid(child, &status, 0);
  auto text = [](const std::string& path) {
    std::string all;
    FILE* file = std::fopen(path.c_str(), "r");
    std::array<char, 4096> buffer;
    while (size_t count = std::fread(buffer.data(), 1, buffer.size(), file)) {
      all.append(buffer.data(), count);
    }
    std::fclose(file);
    return all;
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text(out), text(err)};
}

}  // namespace ramfs::testing
