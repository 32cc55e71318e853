#include "ramfs/os/fault.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <string>

#include "ramfs/base/logging.h"

namespace ramfs {
namespace {

constexpr int kKill = -1;

struct Fault {
  std::string point;
  int action;  // an errno, or kKill
  uint64_t first;
  std::atomic<uint64_t> passed{0};

  Fault(std::string_view where, int what, uint64_t when)
      : point(where), action(what), first(when) {}
};

std::optional<int> parse_action(std::string_view text) {
  if (text == "kill") return kKill;
  std::string name(text);
  for (char& letter : name) letter = static_cast<char>(::toupper(letter));
  for (int number = 1; number < 200; ++number) {
    const char* known = ::strerrorname_np(number);
    if (known && name == known) return number;
  }
  return std::nullopt;
}

// One "POINT:ACTION[:N]". False if it is none.
bool add_fault(std::deque<Fault>& faults, std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view point = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  uint64_t first = 1;
  if (size_t second = rest.find(':'); second != std::string_view::npos) {
    std::string_view count = rest.substr(second + 1);
    auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), first);
    if (error != std::errc() || end != count.data() + count.size() || first == 0) return false;
    rest = rest.substr(0, second);
  }
  auto action = parse_action(rest);
  if (point.empty() || !action) return false;
  faults.emplace_back(point, *action, first);
  return true;
}

std::deque<Fault> parse_faults() {
  std::deque<Fault> faults;
  const char* variable = ::getenv("RAMFS_FAULT");
  std::string_view text = variable ? variable : "";
  while (!text.empty()) {
    size_t comma = text.find(',');
    std::string_view entry = text.substr(0, comma);
    if (!add_fault(faults, entry)) log_warn("RAMFS_FAULT: '{}' is not POINT:ACTION[:N]", entry);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
  }
  return faults;
}

std::deque<Fault>& faults() {
  static std::deque<Fault> parsed = parse_faults();
  return parsed;
}

Result<void> pass(std::string_view name) {
  for (Fault& fault : faults()) {
    if (fault.point != name) continue;
    uint64_t passing = fault.passed.fetch_add(1) + 1;
    if (passing < fault.first) continue;
    if (fault.action != kKill) return fail(fault.action);
    if (passing == fault.first) ::raise(SIGKILL);
  }
  return {};
}

}  // namespace

Result<void> fault_point(std::string_view name) {
  static const bool armed = !faults().empty();
  if (!armed) [[likely]]
    return {};
  return pass(name);
}

}  // namespace ramfs
