#include "ramfs/core/space_guard.h"

#include <linux/quota.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "ramfs/os/sys.h"

namespace ramfs {
namespace {

constexpr auto kSampleAge = std::chrono::milliseconds(100);
constexpr uint64_t kSlackMax = 256ull << 20;

// Are user, group or project quotas in force on the filesystem of `root`? (quotactl_fd, Linux 5.14)
bool quotas_on(int root) {
  for (int kind : {USRQUOTA, GRPQUOTA, 2 /* PRJQUOTA */}) {
    uint32_t format = 0;
    if (::syscall(SYS_quotactl_fd, root, QCMD(Q_GETFMT, kind), 0, &format) == 0) return true;
  }
  return false;
}

}  // namespace

SpaceGuard::SpaceGuard(int backing_root) : root_(backing_root), quotas_(quotas_on(backing_root)) {}

Result<uint64_t> SpaceGuard::available(bool fresh) {
  MutexLock lock(mutex_);
  auto now = std::chrono::steady_clock::now();
  if (fresh || now - sampled_ > kSampleAge) {
    auto stat = sys::statvfs_fd(root_);
    if (!stat) return fail(stat.error());
    available_ = static_cast<uint64_t>(stat->f_bavail) * stat->f_frsize;
    slack_ = std::min(kSlackMax, static_cast<uint64_t>(stat->f_blocks) * stat->f_frsize / 8);
    sampled_ = now;
  }
  if (fresh) return available_;
  return available_ > slack_ ? available_ - slack_ : 0;
}

Result<SpaceGuard::Answer> SpaceGuard::promise(uint64_t bytes) {
  if (!quotas_) {
    auto plenty = available(false);
    if (!plenty) return fail(plenty.error());
    uint64_t total = promised_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (total <= *plenty) return Answer::promised;
    promised_.fetch_sub(bytes, std::memory_order_relaxed);
  }
  auto exact = available(true);
  if (!exact) return fail(exact.error());
  if (promised_.load(std::memory_order_relaxed) + bytes > *exact) return fail(ENOSPC);
  return Answer::allocate;
}

void SpaceGuard::kept(uint64_t bytes) {
  promised_.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace ramfs
