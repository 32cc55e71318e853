#include "json.h"

#include <fmt/core.h>

#include <cmath>

namespace ramfs::ctl {
namespace {

// The length of the UTF-8 character at the start of `text`; 0 if it does not start with one.
size_t utf8_length(std::string_view text) {
  auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  unsigned first = byte(0);
  size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length == 0 || first > 0xf4 || length > text.size()) return 0;
  for (size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return 0;
  }
  if (length < 3) return length;
  unsigned second = byte(1);
  bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  bool surrogate = first == 0xed && second >= 0xa0;
  bool too_large = first == 0xf4 && second >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

void quote(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    size_t length = utf8_length(text);
    auto byte = static_cast<unsigned char>(text.front());
    if (length == 0) {
      out += fmt::format("\\udc{:02x}", byte);
      length = 1;
    } else if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out += '"';
}

// JSON has no infinity and no "not a number".
std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

}  // namespace

Json& Json::add(Json item) {
  std::get<Items>(value_).push_back(std::move(item));
  return *this;
}

Json& Json::set(std::string key, Json item) {
  std::get<Members>(value_).emplace_back(std::move(key), std::move(item));
  return *this;
}

std::string Json::text() const {
  std::string out;
  write(out, 0);
  return out;
}

void Json::write(std::string& out, size_t depth) const {
  auto list = [&](char open, char close, const auto& items, auto one) {
    out += open;
    const char* separator = "\n";
    for (const auto& item : items) {
      out += separator;
      out.append((depth + 1) * 2, ' ');
      one(item);
      separator = ",\n";
    }
    if (!items.empty()) out.append("\n").append(depth * 2, ' ');
    out += close;
  };
  if (std::holds_alternative<std::nullptr_t>(value_)) out += "null";
  if (auto* flag = std::get_if<bool>(&value_)) out += *flag ? "true" : "false";
  if (auto* integer = std::get_if<int64_t>(&value_)) out += std::to_string(*integer);
  if (auto* integer = std::get_if<uint64_t>(&value_)) out += std::to_string(*integer);
  if (auto* real = std::get_if<double>(&value_)) out += number(*real);
  if (auto* string = std::get_if<std::string>(&value_)) quote(out, *string);
  if (auto* items = std::get_if<Items>(&value_)) {
    list('[', ']', *items, [&](const Json& item) { item.write(out, depth + 1); });
  }
  if (auto* members = std::get_if<Members>(&value_)) {
    list('{', '}', *members, [&](const auto& member) {
      quote(out, member.first);
      out += ": ";
      member.second.write(out, depth + 1);
    });
  }
}

}  // namespace ramfs::ctl
