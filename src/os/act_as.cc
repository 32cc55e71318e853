#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <system_error>

#include <fmt/core.h>

#include "ramfs/os/sys.h"

namespace ramfs::sys {
namespace {

// Who the daemon is: what a thread returns to.
struct Ourselves {
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();
  std::vector<gid_t> groups;

  Ourselves() {
    int count = ::getgroups(0, nullptr);
    groups.resize(count > 0 ? static_cast<size_t>(count) : 0);
    count = ::getgroups(static_cast<int>(groups.size()), groups.data());
    groups.resize(count > 0 ? static_cast<size_t>(count) : 0);
  }
};

const Ourselves& ourselves() {
  static const Ourselves self;
  return self;
}

// The system call itself: glibc's setgroups() would change every thread.
bool set_thread_groups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

// Threads share their umask (CLONE_FS) until one of them asks for its own. That needs no privilege.
void own_umask() {
  thread_local bool owned = false;
  if (owned) return;
  if (::unshare(CLONE_FS) != 0) {
    throw std::system_error(errno, std::generic_category(), "unshare(CLONE_FS)");
  }
  owned = true;
}

Result<std::string> read_status(pid_t pid) {
  auto file = open_at(AT_FDCWD, fmt::format("/proc/{}/status", pid).c_str(), O_RDONLY);
  if (!file) return fail(file.error() == Errno{ENOENT} ? Errno{ESRCH} : file.error());
  std::string text;
  char buffer[4096];
  while (true) {
    ssize_t got = ::read(file->get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno();
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace

Result<std::vector<gid_t>> groups_of(pid_t pid) {
  auto text = read_status(pid);
  if (!text) return fail(text.error());
  constexpr std::string_view kField = "\nGroups:";
  size_t at = text->find(kField);
  if (at == std::string::npos) return fail(ESRCH);
  std::string_view line = std::string_view(*text).substr(at + kField.size());
  line = line.substr(0, line.find('\n'));

  std::vector<gid_t> groups;
  const char* end = line.data() + line.size();
  for (const char* next = line.data(); next != end;) {
    gid_t group = 0;
    auto [rest, error] = std::from_chars(next, end, group);
    if (error == std::errc()) groups.push_back(group);
    next = rest == next ? next + 1 : rest;
  }
  return groups;
}

ActAs::ActAs(uid_t uid, gid_t gid, const std::vector<gid_t>* groups, mode_t umask) {
  own_umask();
  umask_before_ = ::umask(umask);
  const Ourselves& self = ourselves();
  if (uid == self.uid && gid == self.gid) return;
  // Groups and gid first. With the uid the kernel also takes away the capabilities that would
  // override file permissions, and gives them back when the uid returns to 0.
  if (groups) groups_changed_ = set_thread_groups(*groups);
  ::syscall(SYS_setfsgid, gid);
  ::syscall(SYS_setfsuid, uid);
  user_changed_ = true;
}

ActAs::~ActAs() {
  if (user_changed_) {
    ::syscall(SYS_setfsuid, ourselves().uid);
    ::syscall(SYS_setfsgid, ourselves().gid);
  }
  if (groups_changed_) set_thread_groups(ourselves().groups);
  ::umask(umask_before_);
}

}  // namespace ramfs::sys
