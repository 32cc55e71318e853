#pragma once

#include <string>
#include <vector>

#include "ramfs/os/registry.h"

namespace ramfs::ctl {

enum class Verdict { ok, warn, fail };

// One thing that doctor looked at.
struct Finding {
  std::string what;
  Verdict verdict = Verdict::ok;
  std::string found;
  std::string advice;  // what to change; empty when nothing
};
using Findings = std::vector<Finding>;

Findings examine_machine();
Findings examine_mount(const MountRecord& mount);

}  // namespace ramfs::ctl
