#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include "client.h"
#include "commands.h"
#include "json.h"
#include "mount_table.h"
#include "ramfs/base/units.h"
#include "ramfs/os/fd.h"

namespace ramfs::ctl {
namespace {

constexpr int kLookAgainMs = 500;
// So often a daemon that still answers and has nothing dirty is asked before we conclude that the
// kernel still needs it. It may be in a syncfs(2) of a slow device until then.
constexpr int kLooks = 120;

[[noreturn]] void fail_busy(const std::string& mount) {
  throw CommandError(
      fmt::format("{}: busy: a program has files open or its working directory there (fuser -vm "
                  "{} names it); still mounted, everything is written back",
                  mount, mount));
}

void unmount_by_kernel(const std::string& mount, const UnmountOptions& options) {
  int flags = UMOUNT_NOFOLLOW | (options.lazy ? MNT_DETACH : 0);
  if (::umount2(mount.c_str(), flags) != 0) {
    if (errno == EBUSY) fail_busy(mount);
    throw CommandError(fmt::format("{}: cannot unmount: {}", mount, std::strerror(errno)));
  }
  if (options.update_utab) forget_in_utab(mount);
}

// fusermount3 may unmount what its caller has mounted. Its own words go to standard error.
void unmount_by_helper(const std::string& mount, const UnmountOptions& options) {
  std::vector<std::string> words = {"fusermount3", "-u"};
  if (options.lazy) words.push_back("-z");
  words.insert(words.end(), {"--", mount});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  int error = ::posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ);
  if (error != 0) {
    throw CommandError(fmt::format("{}: cannot run fusermount3: {}", mount, std::strerror(error)));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw CommandError(
        fmt::format("{}: fusermount3 could not unmount it; everything is written back", mount));
  }
}

bool ended_within(const Fd& daemon, int limit_ms) {
  pollfd waited{daemon.get(), POLLIN, 0};
  return ::poll(&waited, 1, limit_ms) > 0;
}

// True while it answers and has nothing left to write: then it is not on its way out.
bool idle(const MountRecord& mount, ProgressLine& line) {
  try {
    Status status = Client(mount.control).status().status;
    if (status.dirty.bytes != 0)
      line.show(WritebackProgress{status.dirty.files, status.dirty.bytes});
    return status.dirty.bytes == 0;
  } catch (const std::exception&) {
    return false;
  }
}

// A daemon that is writing back its last bytes gets all the time it needs.
void wait_for_end(const MountRecord& mount, const Fd& daemon, ProgressLine& line) {
  for (int looks = 0; !ended_within(daemon, kLookAgainMs);) {
    looks = idle(mount, line) ? looks + 1 : 0;
    if (looks == kLooks) {
      throw CommandError(fmt::format(
          "{}: unmounted here and everything is written back, but the daemon (process {}) still "
          "serves it: it is also mounted elsewhere, by a bind mount or in another mount namespace",
          mount.mountpoint, mount.pid));
    }
  }
}

// The daemon leaves this behind when it had to end with data that only log and arena hold.
void check_result(const MountRecord& mount) {
  std::string note = mount.control.substr(0, mount.control.rfind('/')) + "/unflushed";
  std::ifstream file(note);
  uint64_t bytes = 0;
  if (!file || !(file >> bytes)) return;
  throw CommandError(fmt::format(
      "{}: unmounted, but {} could not be written to {}; the log {} holds it: mount it again when "
      "the cause is gone",
      mount.mountpoint, format_size(bytes), mount.backing, mount.log));
}

void flush(Client& client, const MountRecord& mount, const UnmountOptions& options,
           ProgressLine& line) {
  try {
    client.sync({}, [&](const WritebackProgress& progress) { line.show(progress); });
  } catch (const std::runtime_error& error) {
    line.clear();
    std::string what =
        fmt::format("{}: cannot write everything back: {}", mount.mountpoint, error.what());
    if (!options.force) {
      throw CommandError(what + "; still mounted, nothing is lost (--force unmounts all the same)");
    }
    fmt::print(stderr, "ramfsctl: {}\n", what);
  }
}

void unmount_here(const std::string& mount, const UnmountOptions& options) {
  MountTable mounts;  // owns what `top` points to
  const KernelMount* top = mounts.at(mount);
  if (top && top->type != MountTable::kOurType) {
    throw CommandError(
        fmt::format("{}: {} is mounted over it; unmount that first", mount, top->type));
  }
  if (::geteuid() == 0) {
    unmount_by_kernel(mount, options);
  } else {
    unmount_by_helper(mount, options);
  }
}

// Its daemon is dead: there is nothing to wait for.
void unmount_dead(const std::string& mount, const UnmountOptions& options) {
  unmount_here(mount, options);
  throw CommandError(
      fmt::format("{}: unmounted, but its daemon had died before; what it had not written back "
                  "comes back from log and arena with the next mount",
                  mount));
}

void unmount_living(const MountRecord& mount, Client& client, const UnmountOptions& options) {
  // Before anything ends: a process id may be used again.
  Fd daemon(static_cast<int>(::syscall(SYS_pidfd_open, client.daemon(), 0)));
  if (!daemon) {
    throw CommandError(fmt::format("process {}: {}", client.daemon(), std::strerror(errno)));
  }
  ProgressLine line(options.quiet);
  flush(client, mount, options, line);
  line.clear();
  if (MountTable().ours_at(mount.mountpoint)) {
    unmount_here(mount.mountpoint, options);
    if (options.lazy) return;
  } else {
    // Somebody unmounted it lazily: only its users keep the daemon alive, and it shall end.
    client.unmount(options.force, [&](const WritebackProgress& progress) { line.show(progress); });
  }
  wait_for_end(mount, daemon, line);
  line.clear();
  check_result(mount);
}

}  // namespace

int unmount(const std::string& place, const UnmountOptions& options) {
  std::vector<MountRecord> mounts = list_mounts();
  std::string path = resolved(place);
  const MountRecord* mount = mount_at(mounts, place);
  bool mounted = MountTable().ours_at(mount ? mount->mountpoint : path);
  if (!mount && mounted) unmount_dead(path, options);
  if (!mount) throw CommandError(fmt::format("{}: no ramfs is mounted there", place));
  std::optional<Client> client;
  try {
    client.emplace(mount->control);
  } catch (const Unreachable&) {
    if (!mounted || ::kill(mount->pid, 0) == 0 || errno == EPERM) throw;
    unmount_dead(mount->mountpoint, options);
  }
  unmount_living(*mount, *client, options);
  if (options.json) {
    fmt::print("{}\n",
               Json::object().set("mount", mount->mountpoint).set("unmounted", true).text());
  }
  return kDone;
}

namespace {

// A process id, or a file as /proc/PID/ns/mnt. While there is one thread: later it is refused.
void enter_namespace(std::string where) {
  bool is_process = where.find_first_not_of("0123456789") == std::string::npos;
  if (is_process) where = fmt::format("/proc/{}/ns/mnt", where);
  Fd entered(::open(where.c_str(), O_RDONLY | O_CLOEXEC));
  if (!entered || ::setns(entered.get(), CLONE_NEWNS) != 0) {
    throw CommandError(fmt::format("{}: {}", where, std::strerror(errno)));
  }
}

}  // namespace

int umount_helper(int argc, char** argv) {
  UnmountOptions options;
  std::string mount;
  for (int option; (option = ::getopt(argc, argv, "-flnrvN:t:")) != -1;) {
    if (option == 1) mount = optarg;
    if (option == 'f') options.force = true;
    if (option == 'l') options.lazy = true;
    if (option == 'n') options.update_utab = false;
    if (option == 'N') enter_namespace(optarg);
    if (option == '?') return kUsage;
    // -r (read-only where it is busy) and -t (the type) have nothing to say to us.
  }
  if (mount.empty()) {
    fmt::print(stderr, "usage: umount.fuse.ramfs MOUNTPOINT [-flnrv] [-N NAMESPACE] [-t TYPE]\n");
    return kUsage;
  }
  return unmount(mount, options);
}

}  // namespace ramfs::ctl
