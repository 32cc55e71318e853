#pragma once

#include <compare>
#include <cstdint>

namespace ramfs {

// A file timestamp: nanoseconds since 1970, as in struct statx. Good until the year 2262.
struct Timestamp {
  int64_t ns = 0;
  auto operator<=>(const Timestamp&) const = default;
};

}  // namespace ramfs
