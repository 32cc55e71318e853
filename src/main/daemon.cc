#include "daemon.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>

#include "places.h"
#include "process.h"
#include "ramfs/arena/arena.h"
#include "ramfs/base/units.h"
#include "ramfs/control/server.h"
#include "ramfs/core/filesystem.h"
#include "ramfs/fuse/mountpoint.h"
#include "ramfs/fuse/session.h"
#include "ramfs/log/log.h"
#include "ramfs/os/backing.h"
#include "ramfs/os/registry.h"
#include "signals.h"

namespace ramfs {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kProgressInterval{5};

CoreOptions core_options(const Options& options, const std::string& backing,
                         const std::string& mountpoint) {
  CoreOptions core = options.core;
  // Mounted over itself, nobody can reach the backing directory any other way.
  if (!options.coherence_given) {
    core.coherence = backing == mountpoint ? Coherence::exclusive : Coherence::open;
  }
  core.cached_descriptors = std::clamp<size_t>(descriptor_limit() / 8, 64, 2000);
  return core;
}

// Beside the socket: what an unmount could not write back, in bytes, for ramfsctl to find after we
// have gone.
std::string unflushed_note(const Places& places) {
  return places.control.substr(0, places.control.rfind('/')) + "/unflushed";
}

// True when nothing is left.
bool write_everything_back(Filesystem& filesystem, const Places& places) {
  auto next = steady_clock::now() + kProgressInterval;
  auto result = filesystem.flush_everything([&next](const WritebackProgress& progress) {
    if (steady_clock::now() < next) return;
    next = steady_clock::now() + kProgressInterval;
    log_info("writing back: {} in {} files left", format_size(progress.bytes_left),
             progress.files_left);
  });
  uint64_t left = filesystem.status().dirty.bytes;
  if (result && left == 0) {
    log_info("everything is written back");
    return true;
  }
  log_error("{} could not be written back{}; the log and the arena keep it for the next mount",
            format_size(left),
            result ? "" : fmt::format(": {}", std::strerror(static_cast<int>(result.error()))));
  std::ofstream(unflushed_note(places)) << left << '\n';
  return false;
}

ControlOptions control_options(const Places& places, const Backing& backing,
                               const std::string& mountpoint, Log& log) {
  ControlOptions control;
  control.socket = places.control;
  control.mountpoint = mountpoint;
  control.backing = backing.path();
  control.version = RAMFS_VERSION;
  // The signal thread does it: this call must return at once.
  control.unmount = [] { (void)::kill(::getpid(), SIGTERM); };
  control.log_stats = [&log] { return log.stats(); };
  return control;
}

}  // namespace

int serve(const Options& options, const std::function<void()>& ready) {
  start_logging(options.logging);
  prepare_process();
  block_ending_signals();
  // What we make ourselves is nobody else's; what we make for others gets the caller's umask.
  (void)::umask(077);

  std::string mountpoint = canonical_mountpoint(options.mountpoint);
  clear_dead_mount(mountpoint);
  Backing backing(options.backing);  // before mounting: the mount may cover it
  check_fuse_device();
  Places places = choose_places(options, backing.path());
  check_places(places, options.logging.file, backing.path(), mountpoint);
  Registration registration(places.runtime, backing.path());
  (void)::unlink(unflushed_note(places).c_str());

  // Declared before the filesystem, whose threads may call it until they have ended.
  std::unique_ptr<FuseSession> session;
  Arena arena({.directory = places.arena,
               .budget_bytes = options.core.arena_bytes,
               .mount_tmpfs = places.arena_tmpfs});
  auto log = Log::open({.directory = places.log});
  Filesystem filesystem(core_options(options, backing.path(), mountpoint), backing, arena, *log);

  session = std::make_unique<FuseSession>(filesystem,
                                          FuseOptions{.source = backing.path(),
                                                      .mountpoint = mountpoint,
                                                      .mount_options = options.mount_options});
  filesystem.set_kernel_cache(session.get());
  ControlServer control(control_options(places, backing, mountpoint, *log), filesystem);
  registration.publish({.mountpoint = mountpoint,
                        .backing = backing.path(),
                        .control = places.control,
                        .log = places.log,
                        .pid = ::getpid(),
                        .version = RAMFS_VERSION});

  session->mount();
  SignalThread signals([&session] { session->stop(); });
  log_info("ramfs {}: {} on {}, arena {}, log {}", RAMFS_VERSION, backing.path(), mountpoint,
           format_size(options.core.arena_bytes), places.log);
  session->run(ready);
  log_info("{} is unmounted", mountpoint);
  bool clean = write_everything_back(filesystem, places);
  flush_logging();
  return clean ? 0 : 1;
}

}  // namespace ramfs
