#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "ramfs/log/log.h"

namespace ramfs::testing {

// A directory of its own for a test, gone afterwards.
class ScratchDirectory {
 public:
  // In `parent` if it exists.
  explicit ScratchDirectory(const std::string& parent = "") {
    auto usual = std::filesystem::temp_directory_path();
    auto path =
        (std::filesystem::is_directory(parent) ? parent : usual.string()) + "/ramfs-log-XXXXXX";
    path_ = ::mkdtemp(path.data());
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  std::string path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline FileKey file_key(int number) {
  return FileKey::from_path("file" + std::to_string(number));
}

// A record that writes `data` at the start of the file.
inline LogRecord write_record(int file, std::string data) {
  LogRecord record;
  record.file = file_key(file);
  record.size = data.size();
  record.mtime = {1'700'000'000'000'000'000 + file};
  record.extents = {{0, data.size()}};
  record.data = {std::move(data)};
  return record;
}

// What a replay gives: the first piece of each record, by number.
struct Replayed {
  std::map<Lsn, std::string> records;
  std::vector<std::string> damaged;
  bool in_order = true;
};

inline Replayed replay(Log& log) {
  Replayed result;
  auto status = log.replay(
      [&](Lsn lsn, const LogRecord& record) {
        if (!result.records.empty() && lsn <= result.records.rbegin()->first) {
          result.in_order = false;
        }
        result.records[lsn] = record.data.empty() ? "" : record.data.front();
        return Result<void>();
      },
      [&](const std::string& line) { result.damaged.push_back(line); });
  EXPECT_TRUE(status.has_value());
  return result;
}

inline Lsn append(Log& log, const LogRecord& record, Sync sync = Sync::no) {
  Lsn lsn = log.next_lsn();
  EXPECT_TRUE(log.append(lsn, record, sync).has_value());
  return lsn;
}

}  // namespace ramfs::testing
