#include "ramfs/base/units.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <stdexcept>

namespace ramfs {
namespace {

struct Quantity {
  double value;
  std::string_view unit;
};

// A plain decimal number in front of a unit. No sign, no exponent, no "inf".
Quantity split(std::string_view text, const char* expected) {
  double value = 0;
  auto [rest, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  bool starts_with_digit = !text.empty() && text.front() >= '0' && text.front() <= '9';
  if (!starts_with_digit || error != std::errc{}) {
    throw std::invalid_argument(fmt::format("'{}' is not {}", text, expected));
  }
  return {value, text.substr(static_cast<size_t>(rest - text.data()))};
}

constexpr const char* kSizeForm = "a size: use a number with K, M, G, T or %, as in 512M or 25%";
constexpr const char* kTimeForm = "a time: use seconds or a number with ms, s, m or h, as in 30s";

}  // namespace

uint64_t parse_size(std::string_view text, uint64_t whole) {
  auto [value, unit] = split(text, kSizeForm);
  double factor = 0;
  if (unit.empty()) factor = 1;
  if (unit == "K" || unit == "k") factor = 0x1p10;
  if (unit == "M" || unit == "m") factor = 0x1p20;
  if (unit == "G" || unit == "g") factor = 0x1p30;
  if (unit == "T" || unit == "t") factor = 0x1p40;
  if (unit == "%" && whole != 0) factor = static_cast<double>(whole) / 100;
  if (factor == 0) throw std::invalid_argument(fmt::format("'{}' is not {}", text, kSizeForm));
  double bytes = value * factor;
  if (bytes > 0x1p62) throw std::invalid_argument(fmt::format("'{}' is too large a size", text));
  return static_cast<uint64_t>(bytes);
}

std::chrono::nanoseconds parse_time(std::string_view text) {
  auto [value, unit] = split(text, kTimeForm);
  double seconds = -1;
  if (unit.empty() || unit == "s") seconds = value;
  if (unit == "ms") seconds = value / 1000;
  if (unit == "m") seconds = value * 60;
  if (unit == "h") seconds = value * 3600;
  if (seconds < 0) throw std::invalid_argument(fmt::format("'{}' is not {}", text, kTimeForm));
  if (seconds > 1e9) throw std::invalid_argument(fmt::format("'{}' is too long a time", text));
  return std::chrono::nanoseconds(std::llround(seconds * 1e9));
}

std::string format_size(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_time(std::chrono::nanoseconds duration) {
  double seconds = std::chrono::duration<double>(duration).count();
  if (seconds < 1e-3) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 600) return fmt::format("{:.4g} s", seconds);
  if (seconds < 36000) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace ramfs
