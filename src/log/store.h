#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "epoch_table.h"
#include "ramfs/base/result.h"
#include "ramfs/log/log.h"
#include "record_format.h"

namespace ramfs {

// RocksDB as the log needs it: epochs of sorted entries behind one write-ahead log. Knows columns
// and files; what an entry means is the log's business. All calls are safe from any thread.
class LogStore {
 public:
  enum class Mode { write, read };  // read: changes nothing on the disk

  // Throws std::runtime_error with one line for people. In write mode it waits for a daemon that is
  // about to finish, and settles what the last crash left (see WalAudit).
  struct Options {
    std::string directory;
    Mode mode = Mode::write;
    uint64_t memory_bytes = 0;  // of entries; beyond, they go to table files
    std::chrono::milliseconds lock_wait{0};
  };
  static std::unique_ptr<LogStore> open(const Options& options);
  ~LogStore();
  LogStore(const LogStore&) = delete;
  LogStore& operator=(const LogStore&) = delete;

  // One line for each stretch of the write-ahead log that could not be read at open().
  const std::vector<std::string>& damage() const;

  std::vector<Epoch> epochs() const;  // oldest first
  Result<void> create_epoch(Epoch epoch);
  Result<void> drop_epoch(Epoch epoch);
  // Begins a new write-ahead log file, and lets go of files that nothing needs any more.
  Result<void> switch_files();

  // One atomic write; concurrent callers share a sync. The epoch must exist until it returns.
  Result<void> put(Epoch epoch, std::string_view key, std::string_view value, Sync sync);
  // Returns at once when every put() that had returned is durable.
  Result<void> sync();
  // Everything up to it is durable; for the next entries to say so.
  log_format::WalPosition durable() const;

  using Visit = std::function<Result<void>(Epoch, std::string_view key, std::string_view value)>;
  // Every entry of that kind in these epochs, in order of key.
  Result<void> scan(const std::vector<Epoch>& epochs, log_format::EntryKind kind,
                    const Visit& visit);

  // Named numbers that outlive every epoch.
  std::optional<uint64_t> number(std::string_view name);
  Result<void> set_number(std::string_view name, uint64_t value, Sync sync);

  uint64_t disk_bytes() const;
  uint64_t written_bytes() const;
  uint64_t syncs() const;

 private:
  struct Parts;
  explicit LogStore(std::unique_ptr<Parts> parts);
  void settle_crash();

  std::unique_ptr<Parts> parts_;
};

}  // namespace ramfs
