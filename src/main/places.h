#pragma once

#include <string>

#include "ramfs/main/options.h"

namespace ramfs {

// Where one mount keeps its things.
struct Places {
  std::string runtime;  // claim, record, and by default the socket
  std::string arena;
  bool arena_tmpfs;  // mount a tmpfs of our own there
  std::string log;
  std::string control;
};

// What was asked for, and the rest by the backing directory (canonical path).
Places choose_places(const Options& options, const std::string& backing);

// Throws std::runtime_error with one line when something would vanish under the mount or call back
// into it.
void check_places(const Places& places, const std::string& logfile, const std::string& backing,
                  const std::string& mountpoint);

}  // namespace ramfs
