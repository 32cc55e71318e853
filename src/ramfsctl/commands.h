#pragma once

#include <string>
#include <vector>

#include "mounts.h"
#include "ramfs/writeback/writeback.h"

namespace ramfs::ctl {

// Each prints to standard output and returns what to exit with; throws CommandError.
int show_status(const std::string& mount, bool json);
int sync(const std::vector<std::string>& mount_and_paths, bool json);
int which(const std::vector<std::string>& paths, bool json);
int evict(const std::vector<std::string>& paths, bool json);
int doctor(const std::string& mount, bool json);
int log_stats(const std::string& directory_or_mount, bool json);
int log_dump(const std::string& directory_or_mount, bool json);

struct UnmountOptions {
  bool lazy = false;   // out of sight now, the rest when nobody uses it any more
  bool force = false;  // also when data could not be written back: it stays in the log
  bool quiet = false;
  bool update_utab = true;
  bool json = false;
};
int unmount(const std::string& mount, const UnmountOptions& options);

// What umount(8) calls: umount.fuse.ramfs MOUNTPOINT [-flnrv] [-N NAMESPACE] [-t TYPE].
int umount_helper(int argc, char** argv);

// How far a flush is, on the terminal's one line; silent where standard error is none.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet = false);
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const WritebackProgress& progress);
  void show(const std::string& text);
  void clear();

 private:
  const bool on_;
  bool shown_ = false;
};

}  // namespace ramfs::ctl
