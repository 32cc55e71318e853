#include "fuse_messages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "fuse_api.h"
#include "ramfs/base/logging.h"
#include "ramfs/base/mutex.h"
#include "ramfs/os/sys.h"

namespace ramfs {
namespace {

constexpr size_t kLongest = 4096;

struct Kept {
  Mutex mutex;
  bool keeping ABSL_GUARDED_BY(mutex) = false;
  std::string text ABSL_GUARDED_BY(mutex);
};

Kept& kept() {
  static Kept kept;
  return kept;
}

// Lines become one, without libfuse's own prefixes: the reader sees ours.
std::string one_line(std::string text) {
  for (std::string_view prefix : {"fuse: error: ", "fuse: ", "fusermount3: "}) {
    for (size_t at = 0; (at = text.find(prefix, at)) != std::string::npos;) {
      text.erase(at, prefix.size());
    }
  }
  std::string line;
  for (char letter : text) {
    if (letter != '\n')
      line += letter;
    else if (!line.empty() && !line.ends_with("; "))
      line += "; ";
  }
  while (line.ends_with(' ') || line.ends_with(';')) line.pop_back();
  return line;
}

void keep_or_log(enum fuse_log_level level, const char* format, va_list arguments) {
  char buffer[1024];
  (void)vsnprintf(buffer, sizeof buffer, format, arguments);
  std::string text(buffer);
  {
    MutexLock lock(kept().mutex);
    if (kept().keeping) {
      kept().text += text;
      return;
    }
  }
  text = one_line(text);
  if (text.empty()) return;
  if (level <= FUSE_LOG_ERR)
    log_error("libfuse: {}", text);
  else if (level <= FUSE_LOG_NOTICE)
    log_warn("libfuse: {}", text);
  else
    log_debug("libfuse: {}", text);
}

}  // namespace

void route_fuse_messages() {
  fuse_set_log_func(keep_or_log);
}

FuseMessages::FuseMessages() {
  {
    MutexLock lock(kept().mutex);
    kept().keeping = true;
    kept().text.clear();
  }
  stderr_ = ::dup(STDERR_FILENO);
  capture_ = ::memfd_create("ramfs-mount", MFD_CLOEXEC);
  if (stderr_ >= 0 && capture_ >= 0) (void)::dup2(capture_, STDERR_FILENO);
}

FuseMessages::~FuseMessages() {
  if (stderr_ >= 0) {
    (void)::dup2(stderr_, STDERR_FILENO);
    ::close(stderr_);
  }
  if (capture_ >= 0) ::close(capture_);
  MutexLock lock(kept().mutex);
  kept().keeping = false;
}

std::string FuseMessages::take() {
  std::string text;
  if (capture_ >= 0) {
    text.resize(kLongest);
    auto count = sys::read_at(capture_, std::as_writable_bytes(std::span(text)), 0);
    text.resize(count ? *count : 0);
  }
  MutexLock lock(kept().mutex);
  return one_line(text + kept().text);
}

}  // namespace ramfs
