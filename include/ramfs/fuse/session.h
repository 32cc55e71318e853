#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ramfs/base/mutex.h"
#include "ramfs/core/filesystem.h"

struct fuse_session;
struct fuse_conn_info;

namespace ramfs {

struct FuseOptions {
  std::string source;                      // what /proc/mounts shows as the device
  std::string mountpoint;                  // canonical
  std::vector<std::string> mount_options;  // as mount(8) has them; libfuse splits flags from data
  // Enough that writers who wait for writeback never keep others from being served.
  unsigned max_threads = 64;
  unsigned max_idle_threads = 10;
};

// A mount: the kernel's questions come in, the filesystem's answers go out.
//
//   made ── mount() ─► mounted ── run() ─► serving ── unmounted, or stop() ─► over
//
// Destroy it after the filesystem's background threads have ended: until then they may still call
// drop_data(), which does nothing once the session is over.
class FuseSession final : public KernelCache {
 public:
  FuseSession(Filesystem& filesystem, FuseOptions options);
  ~FuseSession() override;
  FuseSession(const FuseSession&) = delete;
  FuseSession& operator=(const FuseSession&) = delete;

  // Throws std::runtime_error with one line; then nothing is mounted.
  void mount();

  // Serves until the mount is gone. `ready` is called once, from another thread, when the kernel
  // has had its first answer through the mount. Throws std::runtime_error with one line when that
  // answer was an error.
  void run(const std::function<void()>& ready);

  // Takes the mount away from under its users: no new opens, files that are open are served for a
  // short while more, then they fail with ENOTCONN. Returns when run() is about to. Any thread.
  void stop();

  // As umount(2) does: EBUSY while anything is open. Any thread but run()'s.
  Result<void> unmount();

  // What was agreed with the kernel, one line for people; empty before the first request.
  std::string negotiated() const;

  void drop_data(InodeId inode) override;

 private:
  friend struct SessionInit;

  bool over() const;
  bool still_mounted() const;
  void end_notifications();
  void disconnect();

  Filesystem& filesystem_;
  const FuseOptions options_;
  std::unique_ptr<fuse_session, void (*)(fuse_session*)> session_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::string negotiated_ ABSL_GUARDED_BY(mutex_);
  uint64_t device_ ABSL_GUARDED_BY(mutex_) = 0;     // st_dev of the mount; 0: not mounted
  unsigned notifying_ ABSL_GUARDED_BY(mutex_) = 0;  // drop_data() calls under way
  bool notifications_over_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ramfs
