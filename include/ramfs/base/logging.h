#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace ramfs {

enum class LogLevel { trace, debug, info, warn, error, off };

struct LoggingOptions {
  LogLevel level = LogLevel::info;
  std::string file;  // a path; empty: standard error in the foreground, else syslog
  bool foreground = false;
};

// Sets up the process's one logger. Throws std::runtime_error when the file cannot be opened.
// Before it is called, messages of warn and above go to standard error.
void start_logging(const LoggingOptions& options);
// Writes out what is buffered.
void flush_logging();

bool log_enabled(LogLevel level);
void log_message(LogLevel level, std::string_view message);

// A warning is something the owner should look at; the mount tests fail on one they did not expect.
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::debug)) {
    log_message(LogLevel::debug, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_message(LogLevel::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ramfs
