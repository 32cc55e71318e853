#include "operations.h"

#include "ramfs/base/logging.h"

namespace ramfs {

void report_exception(const char* what) noexcept {
  try {
    log_error("a request failed with EIO: {}", what);
  } catch (...) {
    // Out of memory for the message too. The request has its answer.
  }
}

}  // namespace ramfs
