#include "option_table.h"

#include <fmt/core.h>

#include <charconv>
#include <filesystem>
#include <initializer_list>
#include <utility>

#include "ramfs/base/units.h"

namespace ramfs {
namespace {

using std::chrono::nanoseconds;

// A daemon changes its working directory; what the user meant was relative to the present one.
std::string absolute_path(const std::string& value) {
  if (value.empty()) throw std::invalid_argument("it needs a path");
  return std::filesystem::absolute(value).lexically_normal();
}

template <class T>
T choose(const std::string& value, std::initializer_list<std::pair<const char*, T>> choices) {
  std::string accepted;
  for (const auto& [name, result] : choices) {
    if (value == name) return result;
    accepted += (accepted.empty() ? "" : ", ") + std::string(name);
  }
  throw std::invalid_argument(fmt::format("'{}' is none of: {}", value, accepted));
}

double parse_rate(const std::string& value) {
  double rate = 0;
  const char* end = value.data() + value.size();
  auto [rest, error] = std::from_chars(value.data(), end, rate, std::chars_format::fixed);
  if (error != std::errc{} || rest != end || rate < 0 || rate > 1e9) {
    throw std::invalid_argument(fmt::format("'{}' is not a rate: use a number, as in 2.5", value));
  }
  return rate;
}

nanoseconds parse_interval(const std::string& value) {
  nanoseconds time = parse_time(value);
  if (time < std::chrono::milliseconds(10)) {
    throw std::invalid_argument(fmt::format("'{}' is too short: use at least 10ms", value));
  }
  return time;
}

void set_arena(Parsing& parsing, const std::string& value) {
  uint64_t memory = parsing.machine.memory_bytes;
  uint64_t bytes = parse_size(value, memory);
  if (bytes < 1u << 20) {
    throw std::invalid_argument(fmt::format("'{}' is too small: use at least 1M", value));
  }
  if (memory != 0 && bytes > memory) {
    throw std::invalid_argument(
        fmt::format("{} is more than this machine's memory of {}: choose a smaller arena",
                    format_size(bytes), format_size(memory)));
  }
  parsing.options.core.arena_bytes = bytes;
}

void set_dirty(Parsing& parsing, const std::string& value) {
  parsing.options.core.dirty_bytes = parse_size(value, parsing.machine.memory_bytes);
  parsing.dirty_given = true;
}

void set_slot_max(Parsing& parsing, const std::string& value) {
  parsing.options.core.slot_max_bytes = parse_size(value, parsing.machine.memory_bytes);
  parsing.slot_max_given = true;
}

void set_durability(Parsing& parsing, const std::string& value) {
  if (value == "volatile") {
    throw std::invalid_argument(
        "'volatile' is for single paths, not for a whole mount; "
        "use backing, log or relaxed");
  }
  parsing.options.core.durability = choose<Durability>(value, {{"backing", Durability::backing},
                                                               {"log", Durability::log},
                                                               {"relaxed", Durability::relaxed}});
}

void set_coherence(Parsing& parsing, const std::string& value) {
  parsing.options.core.coherence =
      choose<Coherence>(value, {{"exclusive", Coherence::exclusive}, {"open", Coherence::open}});
  parsing.options.coherence_given = true;
}

void set_io_uring(Parsing&, const std::string& value) {
  if (value == "on") {
    throw std::invalid_argument(
        "this version serves requests through /dev/fuse only; "
        "use auto or off");
  }
  (void)choose<int>(value, {{"auto", 0}, {"off", 0}});
}

void set_loglevel(Parsing& parsing, const std::string& value) {
  parsing.options.logging.level = choose<LogLevel>(value, {{"trace", LogLevel::trace},
                                                           {"debug", LogLevel::debug},
                                                           {"info", LogLevel::info},
                                                           {"warn", LogLevel::warn},
                                                           {"error", LogLevel::error},
                                                           {"off", LogLevel::off}});
}

void set_control(Parsing& parsing, const std::string& value) {
  std::string path = absolute_path(value);
  // sizeof sockaddr_un::sun_path, with its NUL.
  if (path.size() > 107) {
    throw std::invalid_argument("a socket's path has at most 107 bytes; choose a shorter one");
  }
  parsing.options.control = path;
}

constexpr OptionRow kOptions[] = {
    {"arena", "SIZE", "25%", "budget of RAM for file data", set_arena},
    {"log", "DIR", "by backing directory", "where the log of promised data lives",
     [](Parsing& p, const std::string& value) { p.options.log = absolute_path(value); }},
    {"durability", "CLASS", "log",
     "what fsync promises: backing (in the backing file), log (in the log), relaxed (within "
     "commit)",
     set_durability},
    {"commit", "TIME", "5s", "data without fsync reaches the log within this",
     [](Parsing& p, const std::string& value) {
       p.options.core.commit_interval = parse_interval(value);
     }},
    {"writeback", "TIME", "30s", "written data reaches the backing file within this",
     [](Parsing& p, const std::string& value) {
       p.options.core.writeback_age = parse_interval(value);
     }},
    {"dirty", "SIZE", "half the arena",
     "above this much unwritten data writeback starts at once and writers are slowed", set_dirty},
    {"slot_max", "SIZE", "a quarter of the arena", "larger files stay on the backing directory",
     set_slot_max},
    {"promote", "RATE", "3", "heat at which a file moves into the arena",
     [](Parsing& p, const std::string& value) { p.options.core.promote = parse_rate(value); }},
    {"demote", "RATE", "0.5", "heat at which it may leave again",
     [](Parsing& p, const std::string& value) { p.options.core.demote = parse_rate(value); }},
    {"halflife", "TIME", "10m", "heat halves in this time without use",
     [](Parsing& p, const std::string& value) {
       p.options.core.half_life = parse_interval(value);
     }},
    {"coherence", "MODE", "exclusive over itself, else open",
     "exclusive: nobody else changes the backing directory; open: files are checked at open",
     set_coherence},
    {"passthrough", "MODE", "auto",
     "auto or off; reserved: this version serves all reads and writes itself",
     [](Parsing&, const std::string& value) {
       (void)choose<int>(value, {{"auto", 0}, {"off", 0}});
     }},
    {"io_uring", "MODE", "auto", "auto or off; reserved: this version uses /dev/fuse",
     set_io_uring},
    {"control", "PATH", "by backing directory", "the socket that ramfsctl talks to", set_control},
    {"loglevel", "LEVEL", "info", "trace, debug, info, warn, error or off", set_loglevel},
    {"logfile", "PATH", "syslog", "messages go to this file; with -f to standard error",
     [](Parsing& p, const std::string& value) { p.options.logging.file = absolute_path(value); }},
};

constexpr const char* kAsMount = "as in mount(8)";
constexpr const char* kForMount = "accepted, for mount(8) and fstab(5)";
constexpr const char* kContext = "SELinux label, as in mount(8)";

constexpr MountRow kMountWords[] = {
    {"ro", MountWord::kernel, "read-only: nothing is changed, not even the backing directory"},
    {"rw", MountWord::kernel, kAsMount},
    {"allow_other", MountWord::kernel, "other users may use the mount; default for root"},
    {"allow_root", MountWord::kernel, "root may use a user's mount"},
    {"default_permissions", MountWord::kernel, "the kernel checks permissions; always on"},
    {"suid", MountWord::kernel, "default for root"},
    {"nosuid", MountWord::kernel, kAsMount},
    {"dev", MountWord::kernel, "default for root"},
    {"nodev", MountWord::kernel, kAsMount},
    {"exec", MountWord::kernel, kAsMount},
    {"noexec", MountWord::kernel, kAsMount},
    {"sync", MountWord::kernel, "every write() is an fsync"},
    {"async", MountWord::kernel, kAsMount},
    {"dirsync", MountWord::kernel, kAsMount},
    {"noatime", MountWord::kernel, kAsMount},
    {"nodiratime", MountWord::kernel, kAsMount},
    {"norelatime", MountWord::kernel, kAsMount},
    {"nostrictatime", MountWord::kernel, kAsMount},
    {"symfollow", MountWord::kernel, kAsMount},
    {"nosymfollow", MountWord::kernel, kAsMount},
    {"context=", MountWord::kernel, kContext},
    {"fscontext=", MountWord::kernel, kContext},
    {"defcontext=", MountWord::kernel, kContext},
    {"rootcontext=", MountWord::kernel, kContext},
    // The kernel's FUSE keeps no access times of its own; the backing directory's own options rule.
    {"atime", MountWord::ignored, "the backing filesystem keeps access times"},
    {"relatime", MountWord::ignored, "the backing filesystem keeps access times"},
    {"strictatime", MountWord::ignored, "the backing filesystem keeps access times"},
    {"diratime", MountWord::ignored, "the backing filesystem keeps access times"},
    {"lazytime", MountWord::ignored, "the backing filesystem keeps access times"},
    {"nolazytime", MountWord::ignored, "the backing filesystem keeps access times"},
    {"defaults", MountWord::ignored, kForMount},
    {"auto", MountWord::ignored, kForMount},
    {"noauto", MountWord::ignored, kForMount},
    {"user", MountWord::ignored, kForMount},
    {"user=", MountWord::ignored, kForMount},
    {"nouser", MountWord::ignored, kForMount},
    {"users", MountWord::ignored, kForMount},
    {"nousers", MountWord::ignored, kForMount},
    {"owner", MountWord::ignored, kForMount},
    {"group", MountWord::ignored, kForMount},
    {"nofail", MountWord::ignored, kForMount},
    {"_netdev", MountWord::ignored, kForMount},
};

}  // namespace

std::span<const OptionRow> ramfs_options() {
  return kOptions;
}

std::span<const MountRow> mount_words() {
  return kMountWords;
}

}  // namespace ramfs
