#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <exception>

#include "client.h"
#include "findings.h"
#include "mount_table.h"
#include "ramfs/base/units.h"
#include "ramfs/os/backing.h"

namespace ramfs::ctl {
namespace {

Finding daemon(const MountRecord& mount) {
  try {
    MountStatus status = Client(mount.control).status();
    std::string found = fmt::format("process {} of version {} answers", status.pid, status.version);
    if (!status.needs_attention) return {"daemon", Verdict::ok, found, ""};
    const std::string& error = status.status.last_error;
    return {
        "daemon", Verdict::fail,
        fmt::format("{}; {}", found, error.empty() ? "some files cannot be written back" : error),
        "see ramfsctl status and the daemon's log; the data is kept meanwhile"};
  } catch (const std::exception& error) {
    return {"daemon", Verdict::fail, error.what(), "see the daemon's log"};
  }
}

Finding kernel_side(const MountRecord& mount, const MountTable& table) {
  if (table.ours_at(mount.mountpoint)) return {"mount", Verdict::ok, mount.mountpoint, ""};
  return {"mount", Verdict::fail,
          fmt::format("{}: the kernel shows no {} there", mount.mountpoint, MountTable::kOurType),
          "ramfsctl umount ends the daemon; then mount again"};
}

Finding backing_filesystem(const MountRecord& mount, const MountTable& table) {
  const KernelMount* under = table.under(mount.backing);
  if (!under) return {"backing", Verdict::warn, mount.backing + ": filesystem not found", ""};
  Finding finding{"backing", Verdict::ok, fmt::format("{} on {}", mount.backing, under->type), ""};
  if (under->type == "tmpfs" || under->type == "ramfs") {
    finding.verdict = Verdict::warn;
    finding.advice = "it is in RAM itself: nothing survives a power cut there";
  }
  return finding;
}

Finding handles(const MountRecord& mount) {
  const char* name = "file handles";
  if (mount.backing == mount.mountpoint) {
    return {name, Verdict::ok, "not looked at: the mount hides the backing directory", ""};
  }
  try {
    if (Backing(mount.backing).has_handles()) return {name, Verdict::ok, "usable", ""};
    return {name, Verdict::ok,
            "not usable here: files are found again by their path, also after a crash", ""};
  } catch (const std::exception& error) {
    return {name, Verdict::fail, error.what(), ""};
  }
}

Finding log_place(const MountRecord& mount, const MountTable& table) {
  struct stat found;
  if (::stat(mount.log.c_str(), &found) != 0) {
    return {"log", Verdict::fail, fmt::format("{}: {}", mount.log, std::strerror(errno)), ""};
  }
  const KernelMount* log = table.under(mount.log);
  const KernelMount* backing = table.under(mount.backing);
  if (log && (log->type == "tmpfs" || log->type == "ramfs")) {
    return {"log", Verdict::fail,
            fmt::format("{} is in RAM: no fsync survives a power cut", mount.log),
            "mount with log=DIR on a device that keeps its data"};
  }
  bool same = log && backing && log->device == backing->device;
  return {"log", Verdict::ok,
          fmt::format("{} on {}", mount.log,
                      same ? "the backing directory's own filesystem" : "another filesystem"),
          ""};
}

}  // namespace

Findings examine_mount(const MountRecord& mount) {
  MountTable table;
  return {daemon(mount), kernel_side(mount, table), backing_filesystem(mount, table),
          handles(mount), log_place(mount, table)};
}

}  // namespace ramfs::ctl
