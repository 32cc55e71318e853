#include "cli.h"

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "client.h"
#include "commands.h"

namespace ramfs::ctl {
namespace {

// What the command line gave, for the command it named.
struct Arguments {
  std::string mount;
  std::string directory;
  std::vector<std::string> paths;
  UnmountOptions unmount;
  bool json = false;
};

using Command = std::function<int()>;

class CommandLine {
 public:
  CommandLine() {
    app_.description("Looks after mounted ramfs filesystems. See ramfsctl(1).");
    app_.set_version_flag("--version", "ramfsctl " RAMFS_VERSION);
    // Not required by CLI11 itself: it would complain of that before naming a wrong command.
    app_.require_subcommand(0, 1);
    add_mount_commands();
    add_path_commands();
    add_log_commands();
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // --help, --version
      return app_.exit(asked);
    } catch (const CLI::ParseError& error) {
      fmt::print(stderr, "ramfsctl: {} (see ramfsctl --help)\n", error.what());
      return kUsage;
    }
    if (!command_) {
      fmt::print(stderr, "ramfsctl: name a command (see ramfsctl --help)\n");
      return kUsage;
    }
    return command_();
  }

 private:
  CLI::App* add(CLI::App& parent, const char* name, const char* help, Command command) {
    CLI::App* sub = parent.add_subcommand(name, help);
    sub->add_flag("--json", given_.json, "Print JSON");
    sub->set_version_flag("--version", "ramfsctl " RAMFS_VERSION);
    sub->callback([this, command = std::move(command)] { command_ = command; });
    return sub;
  }

  void add_mount_commands() {
    const char* mount_help = "Mount point; may be left out where there is just one";
    Arguments& a = given_;
    auto* status = add(app_, "status", "What a mount is doing; exit 3: something needs attention",
                       [&a] { return show_status(a.mount, a.json); });
    status->add_option("MNT", a.mount, mount_help);
    auto* doctor =
        add(app_, "doctor", "What works here and what to change; exit 3: something fails",
            [&a] { return ctl::doctor(a.mount, a.json); });
    doctor->add_option("MNT", a.mount, mount_help);
    auto* umount = add(app_, "umount", "Write everything back, unmount, wait for the daemon", [&a] {
      a.unmount.json = a.json;
      return unmount(a.mount, a.unmount);
    });
    umount->add_option("MNT", a.mount, "Mount point")->required();
    umount->add_flag("-f,--force", a.unmount.force, "Also when data cannot be written back now");
    umount->add_flag("-l,--lazy", a.unmount.lazy, "Hide it now, end when nobody uses it any more");
    umount->add_flag("-q,--quiet", a.unmount.quiet, "Show no progress");
  }

  void add_path_commands() {
    Arguments& a = given_;
    auto* sync = add(app_, "sync", "Write back: all of a mount, or these files",
                     [&a] { return ctl::sync(a.paths, a.json); });
    sync->add_option("MNT|PATH", a.paths, "Mount point, or files in a mount");
    auto* which = add(app_, "which", "Where files are: home, heat, bytes in RAM, bytes dirty",
                      [&a] { return ctl::which(a.paths, a.json); });
    which->add_option("PATH", a.paths, "Files in a mount")->required();
    auto* evict =
        add(app_, "evict", "Give the RAM of these files free; dirty data is written first",
            [&a] { return ctl::evict(a.paths, a.json); });
    evict->add_option("PATH", a.paths, "Files in a mount")->required();
  }

  void add_log_commands() {
    const char* help = "Log directory, or mount point";
    Arguments& a = given_;
    CLI::App* log = app_.add_subcommand("log", "Look into the log");
    log->set_version_flag("--version", "ramfsctl " RAMFS_VERSION);
    log->require_subcommand(0, 1);
    auto* stats = add(*log, "stats", "Its size, records and compression",
                      [&a] { return log_stats(a.directory, a.json); });
    stats->add_option("DIR|MNT", a.directory, help);
    auto* dump = add(*log, "dump", "Every record, mounted or not",
                     [&a] { return log_dump(a.directory, a.json); });
    dump->add_option("DIR|MNT", a.directory, help);
  }

  CLI::App app_;
  Arguments given_;
  Command command_;
};

bool called_as_helper(std::string_view name) {
  return name.substr(name.rfind('/') + 1).starts_with("umount.");
}

}  // namespace

int run(int argc, char** argv) {
  try {
    if (argc > 0 && called_as_helper(argv[0])) return umount_helper(argc, argv);
    return CommandLine().run(argc, argv);
  } catch (const CommandError& error) {
    fmt::print(stderr, "ramfsctl: {}\n", error.what());
    return error.code;
  } catch (const std::exception& error) {
    fmt::print(stderr, "ramfsctl: {}\n", error.what());
    return kFailed;
  }
}

}  // namespace ramfs::ctl
