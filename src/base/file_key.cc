#include "ramfs/base/file_key.h"

#include <fmt/core.h>

#include <cstring>

namespace ramfs {
namespace {

constexpr size_t kHandleHeader = 1 + sizeof(int32_t);  // kind, handle type

}  // namespace

FileKey FileKey::from_handle(int type, std::string_view handle) {
  FileKey key;
  auto stored_type = static_cast<int32_t>(type);
  key.bytes_.reserve(kHandleHeader + handle.size());
  key.bytes_.push_back(static_cast<char>(Kind::handle));
  key.bytes_.append(reinterpret_cast<const char*>(&stored_type), sizeof(stored_type));
  key.bytes_.append(handle);
  return key;
}

FileKey FileKey::from_path(std::string_view relative_path) {
  FileKey key;
  key.bytes_.push_back(static_cast<char>(Kind::path));
  key.bytes_.append(relative_path);
  return key;
}

FileKey FileKey::from_bytes(std::string_view bytes) {
  FileKey key;
  key.bytes_ = bytes;
  if (key.kind() == Kind::none) key.bytes_.clear();
  return key;
}

FileKey::Kind FileKey::kind() const {
  if (bytes_.size() > kHandleHeader && bytes_[0] == static_cast<char>(Kind::handle)) {
    return Kind::handle;
  }
  if (bytes_.size() > 1 && bytes_[0] == static_cast<char>(Kind::path)) return Kind::path;
  return Kind::none;
}

int FileKey::handle_type() const {
  int32_t type = 0;
  std::memcpy(&type, bytes_.data() + 1, sizeof(type));
  return type;
}

std::string_view FileKey::handle() const {
  return std::string_view(bytes_).substr(kHandleHeader);
}

std::string_view FileKey::path() const {
  return std::string_view(bytes_).substr(1);
}

std::string FileKey::to_string() const {
  if (kind() == Kind::none) return "(no key)";
  if (kind() == Kind::path) return std::string(path());
  std::string text = fmt::format("handle:{:x}:", handle_type());
  for (unsigned char byte : handle()) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace ramfs
