#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ramfs/base/extent_set.h"
#include "ramfs/base/file_key.h"
#include "ramfs/base/ids.h"
#include "ramfs/base/result.h"
#include "ramfs/base/timestamp.h"

namespace ramfs {

// One file's change, as it goes into the log. Redo semantics; replay does, in this order:
//   1. cut the file to `low_water` if it is longer;
//   2. write each piece of `data` at its extent;
//   3. punch each extent of `holes`;
//   4. set the size to `size` and the modification time to `mtime`.
struct LogRecord {
  FileKey file;
  uint64_t low_water = UINT64_MAX;  // smallest size the file had since its record before this one
  uint64_t size = 0;
  Timestamp mtime;
  std::vector<Extent> extents;    // sorted, disjoint
  std::vector<std::string> data;  // one piece an extent, of its length
  std::vector<Extent> holes;
};

enum class Sync : bool { no, yes };

struct LogOptions {
  std::string directory;                      // created, mode 0700, if missing
  uint64_t epoch_bytes = 32ull << 20;         // a new epoch starts above this
  int zstd_level = 1;                         // 0: never compress
  std::chrono::milliseconds idle{3000};       // a log of which nothing is needed shrinks after this
  std::chrono::milliseconds lock_wait{5000};  // for a predecessor that is still finishing
};

struct LogStats {
  uint64_t live_bytes = 0;  // what a replay would read: records not yet forgotten, as stored
  uint64_t disk_bytes = 0;  // size of the log's files
  uint64_t epochs = 0;
  uint64_t records = 0;        // appended since open
  uint64_t record_bytes = 0;   // their file data before compression, since open
  uint64_t stored_bytes = 0;   // the same after compression, since open
  uint64_t written_bytes = 0;  // bytes given to the log device since open (WAL and tables)
  uint64_t syncs = 0;          // since open
};

// The write-ahead log: every promised change that the backing directory does not have yet. RocksDB.
//
//   1. A record is durable when append(…, Sync::yes) or a later sync() has returned success.
//   2. A record is dropped only after forget() of its file, or clear().
//   3. Records of one file are replayed in the order of their numbers, whatever the order in which
//      they were appended.
// What is left after a crash is therefore exactly what recovery must replay.
//
// Records live in epochs, a column family each; whole epochs are dropped, oldest first, when every
// file in them is forgotten. All calls are safe from any thread. Format: ramfs-log(5).
class Log {
 public:
  // Opens or creates the log. Throws std::runtime_error with one line that says what is wrong and
  // what to do: locked by another daemon, damaged, of a newer format, directory not writable, full.
  static std::unique_ptr<Log> open(const LogOptions& options);
  virtual ~Log() = default;

  // A number larger than every number given out before, also before a restart.
  virtual Lsn next_lsn() = 0;

  // Appends one record under a number from next_lsn(). One atomic RocksDB write; concurrent callers
  // share a sync. Errors: ENOSPC, EIO; then nothing of the record is durable for certain.
  virtual Result<void> append(Lsn lsn, const LogRecord& record, Sync sync) = 0;

  // Every append and forget that had returned before this call is durable when it returns success.
  // Returns at once when nothing is unsynced.
  virtual Result<void> sync() = 0;

  // Records of `file` numbered up to and including `upto` no longer matter: their data is in the
  // backing file, durably, or the file is gone. Not synced by itself: a lost forget only means that
  // the same bytes are written once more, unless newer bytes have been promised without a record;
  // then the caller passes Sync::yes. A file without records costs nothing.
  virtual Result<void> forget(const FileKey& file, Lsn upto, Sync sync) = 0;

  // Calls `visit` for every record that is not forgotten, in order of number. Damaged records are
  // named by `damaged` (one line each) and skipped. Only before the first append after open().
  virtual Result<void> replay(const std::function<Result<void>(Lsn, const LogRecord&)>& visit,
                              const std::function<void(const std::string&)>& damaged) = 0;

  // Durably forgets every record numbered up to and including `upto`.
  virtual Result<void> clear(Lsn upto) = 0;

  // The files whose records keep the oldest epoch alive, for writeback to free the log's space;
  // empty while only the current epoch exists.
  virtual std::vector<FileKey> oldest_files() const = 0;

  virtual LogStats stats() const = 0;
};

// For `ramfsctl log stats|dump` on an unmounted log: opens read-only, changes nothing.
// Throws like Log::open(). `visit` gets every record, forgotten ones included, and whether it is.
struct LogDump {
  Lsn lsn;
  LogRecord record;
  uint64_t stored_bytes;
  bool forgotten;
};
LogStats read_log(const std::string& directory, const std::function<void(const LogDump&)>& visit);

}  // namespace ramfs
