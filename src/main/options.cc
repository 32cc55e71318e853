#include "ramfs/main/options.h"

#include <fmt/core.h>
#include <getopt.h>
#include <unistd.h>

#include <algorithm>

#include "option_table.h"
#include "ramfs/base/units.h"

namespace ramfs {
namespace {

constexpr const char* kUsage = "ramfs [-f] [-d] [-o OPTION[,OPTION]...] BACKING MOUNTPOINT";

// At commas; `\,` is a comma of the value, as fstab needs them in paths.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (size_t at = 0; at < text.size(); ++at) {
    bool escape =
        text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == ',' || text[at + 1] == '\\');
    if (escape)
      parts.back() += text[++at];
    else if (text[at] == ',')
      parts.emplace_back();
    else
      parts.back() += text[at];
  }
  return parts;
}

struct Word {
  std::string name;
  std::string value;
  bool has_value;
};

Word to_word(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos) return {text, "", false};
  return {text.substr(0, equals), text.substr(equals + 1), true};
}

// False: not in this table.
bool apply_own(Parsing& parsing, const Word& word) {
  for (const OptionRow& row : ramfs_options()) {
    if (word.name != row.name) continue;
    if (!word.has_value) {
      throw UsageError(fmt::format("option {0} needs a value: {0}={1}", row.name, row.argument));
    }
    try {
      row.apply(parsing, word.value);
    } catch (const std::invalid_argument& reason) {
      throw UsageError(fmt::format("option {}: {}", row.name, reason.what()));
    }
    return true;
  }
  return false;
}

bool apply_mount(Options& options, const Word& word, const std::string& text) {
  // x-systemd.automount and the like; "comment=" is their ancestor.
  if (word.name.starts_with("x-") || word.name == "comment") return true;
  std::string name = word.has_value ? word.name + "=" : word.name;
  for (const MountRow& row : mount_words()) {
    if (name != row.name) continue;
    if (row.word == MountWord::kernel) options.mount_options.push_back(text);
    if (name == "ro") options.core.read_only = true;
    if (name == "rw") options.core.read_only = false;
    return true;
  }
  return false;
}

void settle(const Parsing& parsing) {
  CoreOptions& core = parsing.options.core;
  if (core.arena_bytes == 0) core.arena_bytes = parsing.machine.memory_bytes / 4;
  if (!parsing.dirty_given) core.dirty_bytes = core.arena_bytes / 2;
  if (!parsing.slot_max_given) core.slot_max_bytes = core.arena_bytes / 4;
  if (core.dirty_bytes == 0 || core.dirty_bytes > core.arena_bytes) {
    throw UsageError(fmt::format("option dirty: {} is not between 1 byte and the arena's {}",
                                 format_size(core.dirty_bytes), format_size(core.arena_bytes)));
  }
  if (core.slot_max_bytes > core.arena_bytes) {
    throw UsageError(fmt::format("option slot_max: {} is more than the arena's {}",
                                 format_size(core.slot_max_bytes), format_size(core.arena_bytes)));
  }
  if (core.demote > core.promote) {
    throw UsageError(
        fmt::format("option demote: {} is above promote={}; a file would leave the "
                    "arena as soon as it came",
                    core.demote, core.promote));
  }
}

void parse_into(Parsing& parsing, const std::string& text) {
  for (const std::string& part : split(text)) {
    if (part.empty()) continue;
    Word word = to_word(part);
    if (apply_own(parsing, word) || apply_mount(parsing.options, word, part)) continue;
    throw UsageError(fmt::format("unknown option {}; ramfs --help lists them", word.name));
  }
}

// What root's mounts have that nobody asked for.
void add_defaults(const Machine& machine, Options& options) {
  auto& words = options.mount_options;
  words.insert(words.begin(), "default_permissions");
  // First, so that what was asked for comes later and wins.
  if (machine.root) words.insert(words.begin(), {"suid", "dev", "allow_other"});
}

}  // namespace

Machine this_machine() {
  return {static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
              static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)),
          ::geteuid() == 0};
}

void parse_mount_options(const std::string& text, const Machine& machine, Options& options) {
  Parsing parsing{options, machine};
  parse_into(parsing, text);
  settle(parsing);
  add_defaults(machine, options);
}

Request parse_command_line(int argc, char** argv, const Machine& machine, Options& options) {
  static const option kLong[] = {{"help", no_argument, nullptr, 'h'},
                                 {"version", no_argument, nullptr, 'V'},
                                 {nullptr, 0, nullptr, 0}};
  std::string mount_options;
  ::opterr = 0;
  ::optind = 0;  // from the start, also when a test comes back
  for (int letter; (letter = ::getopt_long(argc, argv, "fdo:hV", kLong, nullptr)) != -1;) {
    if (letter == 'f') options.foreground = true;
    if (letter == 'd') options.foreground = options.debug = true;
    if (letter == 'o') mount_options.append(",").append(::optarg);
    if (letter == 'h') return Request::help;
    if (letter == 'V') return Request::version;
    if (letter == '?') {
      throw UsageError(::optopt == 'o' ? std::string("-o needs options behind it")
                                       : fmt::format("unknown argument {}; usage: {}",
                                                     argv[::optind - 1], kUsage));
    }
  }
  if (argc - ::optind != 2) {
    throw UsageError(fmt::format(
        "{} instead of a backing directory and a mount point; usage: {}",
        argc - ::optind == 1 ? "1 name" : fmt::format("{} names", argc - ::optind), kUsage));
  }
  options.backing = argv[::optind];
  options.mountpoint = argv[::optind + 1];
  parse_mount_options(mount_options, machine, options);
  if (options.debug) options.logging.level = std::min(options.logging.level, LogLevel::debug);
  options.logging.foreground = options.foreground;
  return Request::mount;
}

std::string help_text() {
  std::string text = fmt::format(
      "usage: {}\n\n"
      "Keeps the hot files of the directory BACKING in RAM and shows all of it at MOUNTPOINT.\n\n"
      "  -f  stay in the foreground\n"
      "  -d  the same, with debug messages\n"
      "  -h, --help  this text\n"
      "  -V, --version\n\n"
      "options (sizes take K, M, G, T or % of RAM; times are seconds or take ms, s, m, h):\n",
      kUsage);
  for (const OptionRow& row : ramfs_options()) {
    text += fmt::format("  {:<18} {} (default {})\n", fmt::format("{}={}", row.name, row.argument),
                        row.help, row.standard);
  }
  text += "\noptions of mount(8) and mount.fuse3(8):\n";
  for (const MountRow& row : mount_words()) {
    std::string name = row.name;
    if (name.ends_with('=')) name += "VALUE";
    text += fmt::format("  {:<20} {}\n", name, row.help);
  }
  text += fmt::format("  {:<20} {}\n", "x-NAME, comment=TEXT", "accepted, for others");
  return text + "\nSee ramfs(8) for what is promised and what can be lost.\n";
}

std::vector<std::string> option_names() {
  std::vector<std::string> names;
  for (const OptionRow& row : ramfs_options()) {
    names.push_back(fmt::format("{}={}", row.name, row.argument));
  }
  for (const MountRow& row : mount_words()) names.emplace_back(row.name);
  return names;
}

}  // namespace ramfs
