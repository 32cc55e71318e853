#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ramfs/base/result.h"
#include "ramfs/core/status.h"
#include "ramfs/log/log.h"
#include "ramfs/writeback/writeback.h"

namespace ramfs {

class Filesystem;

// What people may ask of a mount; all may be called from any thread.
struct ControlTarget {
  using Progress = std::function<void(const WritebackProgress&)>;

  std::function<Status()> status;
  std::function<Result<FileStatus>(const std::string& path)> which;
  std::function<Result<void>(const Progress&)> sync;
  std::function<Result<void>(const std::string& path)> sync_path;
  std::function<Result<void>(const Progress&)> flush_everything;
  std::function<Result<void>(const std::string& path)> evict;
};

struct ControlOptions {
  std::string socket;  // path of the Unix socket; its directory exists
  std::string mountpoint;
  std::string backing;
  std::string version;
  std::function<void()> unmount;        // ends the FUSE session, returns at once
  std::function<LogStats()> log_stats;  // empty: this mount has no log
};

// Answers ramfsctl and monitors: gRPC on a Unix socket that only its owner (mode 0600) can use.
//
// Starts threads: only in the process that serves the mount, after the last fork. A socket that
// a killed daemon left behind is replaced.
class ControlServer {
 public:
  // The filesystem outlives the server. Throws std::runtime_error with one line.
  ControlServer(const ControlOptions& options, Filesystem& filesystem);
  ControlServer(const ControlOptions& options, ControlTarget target);
  // Cuts calls short that still run, waits for their threads, removes the socket.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ramfs
