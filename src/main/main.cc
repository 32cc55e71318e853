// ramfs: reads the command line and serves, in the background or in the foreground.

#include <fmt/core.h>

#include <exception>
#include <filesystem>

#include "daemon.h"
#include "process.h"
#include "ramfs/main/options.h"

namespace {

using namespace ramfs;

int run(int argc, char** argv) {
  Options options;
  switch (parse_command_line(argc, argv, this_machine(), options)) {
    case Request::help:
      fmt::print("{}", help_text());
      return 0;
    case Request::version:
      fmt::print("ramfs {}\n", RAMFS_VERSION);
      return 0;
    case Request::mount:
      break;
  }
  // The daemon leaves the present directory.
  options.backing = std::filesystem::absolute(options.backing);
  options.mountpoint = std::filesystem::absolute(options.mountpoint);
  if (options.foreground) return serve(options, [] {});
  return in_background(
      [&options](const std::function<void()>& ready) { return serve(options, ready); });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& problem) {
    print_failure(problem.what());
    return 1;
  }
}
