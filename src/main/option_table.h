#pragma once

#include <span>
#include <string>

#include "ramfs/main/options.h"

namespace ramfs {

// What parsing one option needs to know besides its value.
struct Parsing {
  Options& options;
  const Machine& machine;
  // Sizes that default to a part of the arena are settled when everything has been read.
  bool dirty_given = false;
  bool slot_max_given = false;
};

// One option of -o. `argument` is what stands behind the `=` in help and manual; null: a word
// without a value. `apply` throws std::invalid_argument with a reason that does not name the
// option.
struct OptionRow {
  const char* name;
  const char* argument;
  const char* standard;  // the default, for people; null: none
  const char* help;
  void (*apply)(Parsing& parsing, const std::string& value);
};

std::span<const OptionRow> ramfs_options();

// Options of mount(8) and mount.fuse3(8).
enum class MountWord {
  kernel,   // goes to the kernel or libfuse
  ignored,  // for mount(8) and fstab; nothing for us to do
};
struct MountRow {
  const char* name;  // with a trailing `=` when it takes a value
  MountWord word;
  const char* help;
};
std::span<const MountRow> mount_words();

}  // namespace ramfs
