#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramfs/core/status.h"
#include "ramfs/log/log.h"
#include "ramfs/writeback/writeback.h"

namespace ramfs::ctl {

// The daemon does not answer: gone, or not ours to ask.
struct Unreachable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct MountStatus {
  std::string mount, backing, version, passthrough, io_uring;
  pid_t pid = 0;
  bool needs_attention = false;
  Status status;
};

struct FileAnswer {
  std::string path;
  int error = 0;  // an errno; then `status` says nothing
  FileStatus status;
};

// One daemon's control socket. Everything throws std::runtime_error with one line when the daemon
// refuses or fails, and Unreachable.
class Client {
 public:
  using Progress = std::function<void(const WritebackProgress&)>;

  explicit Client(const std::string& socket);
  ~Client();

  pid_t daemon() const { return daemon_; }  // as the kernel says

  MountStatus status();
  void sync(const std::vector<std::string>& paths, const Progress& progress);  // none: all
  void unmount(bool force, const Progress& progress);
  std::vector<FileAnswer> which(const std::vector<std::string>& paths);
  std::vector<FileAnswer> evict(const std::vector<std::string>& paths);
  LogStats log_stats();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  pid_t daemon_ = 0;
};

}  // namespace ramfs::ctl
