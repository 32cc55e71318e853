#pragma once

namespace ramfs {

struct Status;
struct FileStatus;
struct LogStats;

namespace v1 {
class StatusReply;
class FileStatus;
class LogStatsReply;
}  // namespace v1

// Our words as messages, and back.
void fill(v1::StatusReply& message, const Status& status);
void fill(v1::FileStatus& message, const FileStatus& status);
void fill(v1::LogStatsReply& message, const LogStats& stats);
Status to_status(const v1::StatusReply& message);
FileStatus to_file_status(const v1::FileStatus& message);
LogStats to_log_stats(const v1::LogStatsReply& message);

}  // namespace ramfs
