#include "ramfs/base/result.h"

#include <system_error>

namespace ramfs {

std::string error_text(Errno error) {
  return std::system_category().message(static_cast<int>(error));
}

}  // namespace ramfs
