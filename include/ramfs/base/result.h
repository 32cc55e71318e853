#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>

namespace ramfs {

// An errno value: what the application's system call will fail with.
enum class Errno : int {};

// A value, or the errno the caller will see. Request paths return it; start-up throws instead.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Errno> {
 public:
  using tl::expected<T, Errno>::expected;
};

inline tl::unexpected<Errno> fail(int error_number) {
  return tl::unexpected<Errno>(Errno{error_number});
}
inline tl::unexpected<Errno> fail(Errno error) {
  return tl::unexpected<Errno>(error);
}
// For people: "No space left on device".
std::string error_text(Errno error);

inline tl::unexpected<Errno> fail_errno() {
  return fail(errno);
}

}  // namespace ramfs
