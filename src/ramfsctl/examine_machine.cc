#include <fcntl.h>
#include <fmt/core.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

#include "findings.h"
#include "ramfs/base/units.h"
#include "ramfs/os/fd.h"

namespace ramfs::ctl {
namespace {

constexpr const char* kUmountHelper = "/sbin/umount.fuse.ramfs";
constexpr const char* kUringSwitch = "/sys/module/fuse/parameters/enable_uring";
constexpr const char* kHugePages = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
constexpr rlim_t kDescriptorsWanted = 8192;

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

struct KernelVersion {
  int major = 0, minor = 0;
  std::string text;
  bool at_least(int a, int b) const { return major > a || (major == a && minor >= b); }
};

KernelVersion kernel_version() {
  KernelVersion version;
  utsname names;
  if (::uname(&names) != 0) return version;
  version.text = names.release;
  const char* end = version.text.data() + version.text.size();
  auto [dot, error] = std::from_chars(version.text.data(), end, version.major);
  if (error == std::errc() && dot != end) std::from_chars(dot + 1, end, version.minor);
  return version;
}

bool has_capability(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
}

Finding kernel(const KernelVersion& version) {
  if (version.at_least(5, 11)) return {"kernel", Verdict::ok, "Linux " + version.text, ""};
  return {"kernel", Verdict::warn, "Linux " + version.text, "ramfs is tested with 6.1 and newer"};
}

Finding fuse_device() {
  Fd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (device) return {"/dev/fuse", Verdict::ok, "can be opened", ""};
  const char* advice = errno == ENOENT ? "load the kernel module: modprobe fuse"
                                       : "give this user the right to open it";
  return {"/dev/fuse", Verdict::fail, std::strerror(errno), advice};
}

Finding libfuse() {
  return {"libfuse", Verdict::ok, RAMFS_LIBFUSE_VERSION, ""};
}

Finding uring() {
  std::string value = first_line(kUringSwitch);
  const char* name = "fuse over io_uring";
  if (value.empty())
    return {name, Verdict::ok, "the kernel has none; not used by this version", ""};
  return {name, Verdict::ok,
          fmt::format("fuse.enable_uring is {}; not used by this version", value), ""};
}

Finding passthrough(const KernelVersion& version) {
  bool possible = version.at_least(6, 9) && has_capability(CAP_SYS_ADMIN);
  const char* here = possible                 ? "possible here"
                     : version.at_least(6, 9) ? "needs CAP_SYS_ADMIN"
                                              : "needs Linux 6.9";
  return {"passthrough", Verdict::ok, fmt::format("{}; not used by this version", here), ""};
}

Finding rights() {
  if (::geteuid() == 0) return {"rights", Verdict::ok, "root", ""};
  if (::access("/usr/bin/fusermount3", X_OK) == 0 || ::access("/bin/fusermount3", X_OK) == 0) {
    return {"rights", Verdict::ok, "a user, who mounts with fusermount3", ""};
  }
  return {"rights", Verdict::fail, "a user, and there is no fusermount3",
          "install the package fuse3"};
}

Finding handles() {
  if (has_capability(CAP_DAC_READ_SEARCH)) {
    return {"file handles", Verdict::ok, "may be opened", ""};
  }
  return {"file handles", Verdict::ok,
          "need CAP_DAC_READ_SEARCH: files are found again by their path", ""};
}

Finding descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  Finding finding{"descriptors", Verdict::ok, fmt::format("up to {}", limit.rlim_max), ""};
  if (limit.rlim_max == RLIM_INFINITY) finding.found = "no limit";
  if (limit.rlim_max < kDescriptorsWanted) {
    finding.verdict = Verdict::warn;
    finding.advice = fmt::format(
        "raise RLIMIT_NOFILE (ulimit -Hn) to {} or more: open files need "
        "one each",
        kDescriptorsWanted);
  }
  return finding;
}

Finding umount_helper_installed() {
  if (::access(kUmountHelper, X_OK) == 0) return {kUmountHelper, Verdict::ok, "installed", ""};
  return {kUmountHelper, Verdict::warn, "missing: umount(8) does not wait for the daemon",
          "run meson install, or unmount with ramfsctl umount"};
}

Finding huge_pages() {
  std::string line = first_line(kHugePages);
  const char* name = "huge pages";
  if (line.empty()) return {name, Verdict::warn, "the kernel has none for shared memory", ""};
  size_t open = line.find('['), close = line.find(']');
  std::string chosen = open < close ? line.substr(open + 1, close - open - 1) : line;
  if (chosen != "deny") return {name, Verdict::ok, "shmem_enabled is " + chosen, ""};
  return {name, Verdict::warn, "shmem_enabled is deny: the arena has small pages only",
          fmt::format("echo advise >{}", kHugePages)};
}

Finding memory() {
  struct sysinfo info {};
  ::sysinfo(&info);
  uint64_t total = uint64_t{info.totalram} * info.mem_unit;
  return {"memory", Verdict::ok,
          fmt::format("{}, of which an arena takes {} unless told otherwise", format_size(total),
                      format_size(total / 4)),
          ""};
}

}  // namespace

Findings examine_machine() {
  KernelVersion version = kernel_version();
  return {kernel(version),           fuse_device(), libfuse(), uring(),
          passthrough(version),      rights(),      handles(), descriptors(),
          umount_helper_installed(), huge_pages(),  memory()};
}

}  // namespace ramfs::ctl
