#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ramfs::ctl {

struct KernelMount {
  std::string target, source, type;
  dev_t device = 0;
};

// What the kernel has mounted in our namespace, oldest first.
class MountTable {
 public:
  static constexpr const char* kOurType = "fuse.ramfs";

  MountTable();

  const KernelMount* at(const std::string& target) const;  // the topmost; null: no mount point
  // The filesystem that `path` is on, not counting ramfs itself: what is under a mount.
  const KernelMount* under(const std::string& path) const;
  bool ours_at(const std::string& target) const;

 private:
  std::vector<KernelMount> mounts_;
};

// The mount leaves the table that umount(8) and libmount keep beside the kernel's.
void forget_in_utab(const std::string& target);

}  // namespace ramfs::ctl
