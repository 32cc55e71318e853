#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "ramfs/base/logging.h"
#include "ramfs/core/options.h"

namespace ramfs {

// What the command line asks for. Paths are absolute; empty ones are chosen by the backing
// directory, see choose_places().
struct Options {
  std::string backing;
  std::string mountpoint;
  bool foreground = false;
  bool debug = false;

  CoreOptions core;
  bool coherence_given = false;
  std::string log;
  std::string control;
  LoggingOptions logging;
  std::vector<std::string> mount_options;  // for the kernel and libfuse
};

// One line that names the option and says what is accepted.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Machine {
  uint64_t memory_bytes = 0;
  bool root = false;
};
Machine this_machine();

enum class Request { mount, help, version };

// Reads a whole command line into `options`; what is not given keeps its default. Throws
// UsageError.
Request parse_command_line(int argc, char** argv, const Machine& machine, Options& options);

// Everything behind one -o. Throws UsageError.
void parse_mount_options(const std::string& text, const Machine& machine, Options& options);

// What --help prints: from the same table that parsing uses.
std::string help_text();

// Every option of the table as the manual must name it: "arena=SIZE", "ro".
std::vector<std::string> option_names();

}  // namespace ramfs
