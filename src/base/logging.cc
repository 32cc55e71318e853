#include "ramfs/base/logging.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

namespace ramfs {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> make_logger(const LoggingOptions& options) {
  if (!options.file.empty()) return spdlog::basic_logger_mt("ramfs", options.file);
  if (options.foreground) return spdlog::stderr_logger_mt("ramfs");
  return spdlog::syslog_logger_mt("ramfs", "ramfs", LOG_PID, LOG_DAEMON);
}

spdlog::logger& logger() {
  // The default until start_logging(): tools and tests see what matters.
  static bool once = [] {
    auto early = spdlog::stderr_logger_mt("ramfs-early");
    early->set_pattern("ramfs: %v");
    early->set_level(spdlog::level::warn);
    spdlog::set_default_logger(early);
    return true;
  }();
  (void)once;
  return *spdlog::default_logger_raw();
}

}  // namespace

void start_logging(const LoggingOptions& options) {
  (void)logger();
  auto chosen = make_logger(options);
  chosen->set_level(spdlog_level(options.level));
  chosen->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l [%t] %v");
  chosen->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(chosen));
}

void flush_logging() {
  logger().flush();
}

bool log_enabled(LogLevel level) {
  return logger().should_log(spdlog_level(level));
}

void log_message(LogLevel level, std::string_view message) {
  logger().log(spdlog_level(level), message);
}

}  // namespace ramfs
