#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "commands.h"
#include "findings.h"
#include "json.h"

namespace ramfs::ctl {
namespace {

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      break;
  }
  return "fail";
}

Json to_json(const Findings& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    list.add(Json::object()
                 .set("check", finding.what)
                 .set("verdict", word(finding.verdict))
                 .set("found", finding.found)
                 .set("advice", finding.advice));
  }
  return list;
}

void print(const Findings& findings) {
  for (const Finding& finding : findings) {
    fmt::print("  {:<5}{}: {}\n", word(finding.verdict), finding.what, finding.found);
    if (!finding.advice.empty()) fmt::print("       -> {}\n", finding.advice);
  }
}

bool any_failed(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.verdict == Verdict::fail; });
}

}  // namespace

int doctor(const std::string& mount, bool json) {
  std::vector<MountRecord> mounts = list_mounts();
  if (!mount.empty()) mounts = {find_mount(mount)};
  Findings machine = examine_machine();
  bool failed = any_failed(machine);
  Json list = Json::array();
  if (!json) {
    fmt::print("this machine\n");
    print(machine);
  }
  for (const MountRecord& one : mounts) {
    Findings findings = examine_mount(one);
    failed |= any_failed(findings);
    list.add(Json::object().set("mount", one.mountpoint).set("checks", to_json(findings)));
    if (json) continue;
    fmt::print("{}\n", one.mountpoint);
    print(findings);
  }
  if (json) {
    Json all = Json::object().set("machine", to_json(machine)).set("mounts", std::move(list));
    fmt::print("{}\n", all.text());
  }
  return failed ? kAttention : kDone;
}

}  // namespace ramfs::ctl
