#include "ramfs/fuse/session.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "fuse_messages.h"
#include "operations.h"
#include "ramfs/base/logging.h"
#include "ramfs/fuse/mountpoint.h"
#include "ramfs/os/sys.h"
#include "session_init.h"

namespace ramfs {

using std::chrono::steady_clock;

namespace {

// How long files that are open keep being served after stop().
constexpr std::chrono::seconds kGrace{3};

struct Arguments {
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  ~Arguments() { fuse_opt_free_args(&args); }
  void add(const std::string& text) {
    if (fuse_opt_add_arg(&args, text.c_str()) != 0) throw std::bad_alloc();
  }
};

// libfuse splits the string at commas; those of a name are escaped.
std::string escaped(const std::string& text) {
  std::string result;
  for (char letter : text) {
    if (letter == ',' || letter == '\\') result += '\\';
    result += letter;
  }
  return result;
}

}  // namespace

// What only a fuse_lowlevel_ops entry may call.
struct SessionInit {
  static void init(void* filesystem, fuse_conn_info* connection) noexcept;
  static FuseSession* serving;
};

FuseSession* SessionInit::serving = nullptr;

void SessionInit::init(void*, fuse_conn_info* connection) noexcept {
  std::string agreed = negotiate(*connection);
  log_info("mounted: {}", agreed);
  MutexLock lock(serving->mutex_);
  serving->negotiated_ = std::move(agreed);
}

FuseSession::FuseSession(Filesystem& filesystem, FuseOptions options)
    : filesystem_(filesystem),
      options_(std::move(options)),
      session_(nullptr, &fuse_session_destroy) {
  route_fuse_messages();
  fuse_lowlevel_ops operations{};
  operations.init = &SessionInit::init;
  add_name_operations(operations);
  add_attribute_operations(operations);
  add_file_operations(operations);
  add_directory_operations(operations);

  Arguments arguments;
  arguments.add("ramfs");
  arguments.add("-ofsname=" + escaped(options_.source) + ",subtype=ramfs");
  for (const std::string& option : options_.mount_options) arguments.add("-o" + escaped(option));
  SessionInit::serving = this;  // one session a process
  FuseMessages messages;
  session_.reset(fuse_session_new(&arguments.args, &operations, sizeof operations, &filesystem_));
  if (!session_) throw std::runtime_error(fmt::format("cannot start: {}", messages.take()));
}

bool FuseSession::over() const {
  MutexLock lock(mutex_);
  return over_;
}

// Somebody may have unmounted it and mounted something else since.
bool FuseSession::still_mounted() const {
  uint64_t own = 0;
  {
    MutexLock lock(mutex_);
    own = device_;
  }
  return own != 0 && mount_at(options_.mountpoint).device == own;
}

FuseSession::~FuseSession() {
  // Start-up failed after mount(): a mount that nobody serves must not stay.
  if (!over() && still_mounted()) disconnect();
}

void FuseSession::mount() {
  {
    FuseMessages messages;
    if (fuse_session_mount(session_.get(), options_.mountpoint.c_str()) != 0) {
      std::string reason = messages.take();
      throw std::runtime_error(fmt::format("cannot mount on {}: {}", options_.mountpoint,
                                           reason.empty() ? "no reason given" : reason));
    }
  }
  add_umount_helper(options_.source, options_.mountpoint);
  MutexLock lock(mutex_);
  device_ = mount_at(options_.mountpoint).device;
}

void FuseSession::run(const std::function<void()>& ready) {
  std::atomic<int> refused{0};
  std::jthread first_visitor([&] {
    // Waits for INIT and for an answer of ours, like anybody else's first look.
    struct stat found {};
    if (::stat(options_.mountpoint.c_str(), &found) == 0) return ready();
    refused = errno;
    fuse_session_exit(session_.get());
  });

  std::unique_ptr<fuse_loop_config, void (*)(fuse_loop_config*)> config(fuse_loop_cfg_create(),
                                                                        &fuse_loop_cfg_destroy);
  fuse_loop_cfg_set_max_threads(config.get(), options_.max_threads);
  fuse_loop_cfg_set_idle_threads(config.get(), options_.max_idle_threads);
  int result = fuse_session_loop_mt(session_.get(), config.get());
  if (result < 0) log_error("serving ended: {}", std::strerror(-result));

  end_notifications();
  disconnect();
  first_visitor.join();
  {
    MutexLock lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  if (refused == 0) return;
  throw std::runtime_error(fmt::format("the mount on {} does not answer: {}", options_.mountpoint,
                                       std::strerror(refused)));
}

// The device's descriptor stays ours to the end, but leads nowhere: the number cannot be reused
// under a drop_data() that is about to write to it, and every request left fails with ENOTCONN.
void FuseSession::disconnect() {
  int device = fuse_session_fd(session_.get());
  Fd nowhere(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (nowhere) (void)::dup3(nowhere.get(), device, O_CLOEXEC);
  if (still_mounted()) (void)unmount_path(options_.mountpoint, Detach::yes);
  remove_umount_helper(options_.mountpoint);
}

// Waits, while workers still serve, for the notifications under way: they may wait for a page that
// a request holds.
void FuseSession::end_notifications() {
  MutexLock lock(mutex_);
  notifications_over_ = true;
  while (notifying_ > 0) changed_.wait(mutex_);
}

void FuseSession::stop() {
  if (over()) return;
  if (still_mounted()) {
    // Stores through shared mappings are still in the kernel's page cache; ask for them.
    if (auto root = sys::open_at(AT_FDCWD, options_.mountpoint.c_str(), O_RDONLY | O_DIRECTORY)) {
      (void)sys::sync_filesystem(root->get());
    }
    auto detached = unmount_path(options_.mountpoint, Detach::yes);
    if (!detached) {
      log_warn("cannot unmount {}: {}", options_.mountpoint,
               std::strerror(static_cast<int>(detached.error())));
    }
  }
  auto deadline = steady_clock::now() + kGrace;
  {
    MutexLock lock(mutex_);
    while (!over_ && steady_clock::now() < deadline) {
      (void)changed_.wait_for(mutex_, deadline - steady_clock::now());
    }
    if (over_) return;
  }
  log_info("{} is still in use; its open files are cut off", options_.mountpoint);
  end_notifications();
  fuse_session_exit(session_.get());
}

Result<void> FuseSession::unmount() {
  return unmount_path(options_.mountpoint, Detach::no);
}

std::string FuseSession::negotiated() const {
  MutexLock lock(mutex_);
  return negotiated_;
}

void FuseSession::drop_data(InodeId inode) {
  {
    MutexLock lock(mutex_);
    if (notifications_over_) return;
    ++notifying_;
  }
  // Errors mean that the kernel does not know the inode, or is about to leave: nothing to drop.
  (void)fuse_lowlevel_notify_inval_inode(session_.get(), static_cast<fuse_ino_t>(inode), 0, 0);
  MutexLock lock(mutex_);
  if (--notifying_ == 0) changed_.notify_all();
}

}  // namespace ramfs
