#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace ramfs {

// What people type and read. Parsers throw std::invalid_argument with a one-line reason that
// quotes the text and names what is accepted.

// "64M", "1.5G", "4096": bytes, with K, M, G, T as powers of 1024. "25%" is that part of `whole`
// (bytes); a `%` where `whole` is 0 is an error, as are negative values and overflow.
uint64_t parse_size(std::string_view text, uint64_t whole = 0);

// "30", "5s", "200ms", "10m", "24h": seconds without a unit. Must not be negative.
std::chrono::nanoseconds parse_time(std::string_view text);

std::string format_size(uint64_t bytes);                     // "1.5 GiB"
std::string format_time(std::chrono::nanoseconds duration);  // "200 ms", "30 s"

}  // namespace ramfs
