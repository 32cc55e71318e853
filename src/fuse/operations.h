#pragma once

#include "fuse_api.h"

namespace ramfs {

// Each adds its operations to the table.
void add_name_operations(fuse_lowlevel_ops& operations);
void add_attribute_operations(fuse_lowlevel_ops& operations);
void add_file_operations(fuse_lowlevel_ops& operations);
void add_directory_operations(fuse_lowlevel_ops& operations);

void report_exception(const char* what) noexcept;

// libfuse is C: an exception must not pass through it. What throws (out of memory) has left its
// Reply to the destructor, which answers EIO.
template <auto Operation>
struct Guarded;

template <class... Arguments, void (*Operation)(Arguments...)>
struct Guarded<Operation> {
  static void call(Arguments... arguments) noexcept;
};

}  // namespace ramfs

#include <exception>

namespace ramfs {

template <class... Arguments, void (*Operation)(Arguments...)>
void Guarded<Operation>::call(Arguments... arguments) noexcept {
  try {
    Operation(arguments...);
  } catch (const std::exception& problem) {
    report_exception(problem.what());
  }
}

template <auto Operation>
inline constexpr auto guarded = &Guarded<Operation>::call;

}  // namespace ramfs
