#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace ramfs::ctl {

// A JSON value to print: integers stay integers up to 64 bits, keys keep their order. Bytes of a
// file name that are no UTF-8 become \udc80 to \udcff, as Python's surrogateescape reads them.
class Json {
 public:
  Json(std::nullptr_t = nullptr) {}
  Json(bool value) : value_(value) {}
  Json(double value) : value_(value) {}
  template <class Integer>
  requires(std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>) Json(Integer value) {
    if constexpr (std::is_signed_v<Integer>) {
      value_ = static_cast<int64_t>(value);
    } else {
      value_ = static_cast<uint64_t>(value);
    }
  }
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(const char* value) : value_(std::string(value)) {}

  static Json array() { return Json(Items()); }
  static Json object() { return Json(Members()); }

  Json& add(Json item);                   // to an array
  Json& set(std::string key, Json item);  // to an object, once a key

  std::string text() const;  // indented by two spaces, ends without a newline

 private:
  using Items = std::vector<Json>;
  using Members = std::vector<std::pair<std::string, Json>>;

  explicit Json(Items items) : value_(std::move(items)) {}
  explicit Json(Members members) : value_(std::move(members)) {}
  void write(std::string& out, size_t depth) const;

  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Items, Members> value_;
};

}  // namespace ramfs::ctl
