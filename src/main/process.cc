#include "process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include "ramfs/os/fd.h"

namespace ramfs {
namespace {

constexpr rlim_t kDescriptors = 262'144;

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};

  Capabilities() { (void)::syscall(SYS_capget, &header, data); }
  void apply() { (void)::syscall(SYS_capset, &header, data); }
  bool has(unsigned capability) const {
    return (data[capability / 32].effective >> capability % 32 & 1) != 0;
  }
  void drop(unsigned capability) {
    data[capability / 32].effective &= ~(1u << capability % 32);
    data[capability / 32].permitted &= ~(1u << capability % 32);
  }
};

void raise_descriptor_limit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  struct rlimit higher {
    kDescriptors, std::max(limit.rlim_max, kDescriptors)
  };
  if (limit.rlim_cur >= kDescriptors || ::setrlimit(RLIMIT_NOFILE, &higher) == 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

void prepare_process() {
  // glibc gives each thread a malloc arena of its own and keeps what is freed in them; with some
  // eighty threads that is more memory than all of our data structures.
  (void)::mallopt(M_ARENA_MAX, 2);
  (void)::mallopt(M_TRIM_THRESHOLD, 1 << 20);
  raise_descriptor_limit();
  // With it, quotas would not bind us: we write on behalf of users for whom they must.
  Capabilities capabilities;
  capabilities.drop(CAP_SYS_RESOURCE);
  capabilities.apply();
  (void)::signal(SIGPIPE, SIG_IGN);
}

size_t descriptor_limit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<size_t>(std::min(limit.rlim_cur, kDescriptors));
}

bool may_mount() {
  return Capabilities().has(CAP_SYS_ADMIN);
}

void check_fuse_device() {
  Fd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (device) return;
  switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      throw std::runtime_error(
          "/dev/fuse is missing: load the kernel module with modprobe fuse; a container needs "
          "--device /dev/fuse");
    case EACCES:
    case EPERM:
      throw std::runtime_error(fmt::format(
          "/dev/fuse: {}: it must be open to all (chmod 666 /dev/fuse); a container needs "
          "--device /dev/fuse",
          std::strerror(errno)));
    default:
      throw std::runtime_error(fmt::format("/dev/fuse: {}", std::strerror(errno)));
  }
}

void print_failure(const std::string& reason) {
  std::string line = "ramfs: " + reason;
  std::replace(line.begin(), line.end(), '\n', ' ');
  fmt::print(stderr, "{}\n", line);
}

}  // namespace ramfs
