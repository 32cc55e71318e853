#include <fmt/core.h>
#include <unistd.h>

#include "commands.h"
#include "ramfs/base/units.h"

namespace ramfs::ctl {

ProgressLine::ProgressLine(bool quiet) : on_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(const WritebackProgress& progress) {
  show(fmt::format("writing back: {} in {} files left", format_size(progress.bytes_left),
                   progress.files_left));
}

void ProgressLine::show(const std::string& text) {
  if (!on_) return;
  fmt::print(stderr, "\r{}\033[K", text);
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::clear() {
  if (!shown_) return;
  fmt::print(stderr, "\r\033[K");
  shown_ = false;
}

}  // namespace ramfs::ctl
