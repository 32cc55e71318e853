#pragma once

#include <absl/hash/hash.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace ramfs {

// Who a file is, across renames and restarts: the bytes of its file handle
// (type, then name_to_handle_at(2)'s f_handle), which carry the inode's generation, so that a
// reused inode number is never taken for the old file. Where the filesystem gives no handles it is
// a path relative to the backing directory. The first byte tells which.
class FileKey {
 public:
  enum class Kind : char { none = 0, handle = 'h', path = 'p' };

  FileKey() = default;
  static FileKey from_handle(int type, std::string_view handle);
  static FileKey from_path(std::string_view relative_path);
  // From bytes() of an earlier key. Any bytes are accepted; a malformed key has kind none.
  static FileKey from_bytes(std::string_view bytes);

  Kind kind() const;
  int handle_type() const;          // kind() == handle
  std::string_view handle() const;  // kind() == handle
  std::string_view path() const;    // kind() == path
  const std::string& bytes() const { return bytes_; }
  std::string to_string() const;  // for people: hexadecimal handle, or the path

  bool operator==(const FileKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H state, const FileKey& key) {
    return H::combine(std::move(state), key.bytes_);
  }

 private:
  std::string bytes_;
};

}  // namespace ramfs
