#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ramfs/base/ids.h"
#include "ramfs/base/result.h"

namespace ramfs {

// A file with data that the backing file does not have. Implemented by core.
// Held by shared_ptr while it is queued; calls come from the writeback threads.
class DirtyFile {
 public:
  virtual ~DirtyFile() = default;

  // --- commit: dirty data reaches the log, unsynced. Does nothing if there is none.
  virtual Result<void> commit_to_log() = 0;

  // --- writeback, in three steps so that many files can share one sync:
  // Copies what is dirty to the backing file. False: there was nothing to copy.
  // On error nothing stays under way; the data is dirty as before.
  virtual Result<bool> copy_to_backing() = 0;
  // fsync of the backing file alone.
  virtual Result<void> sync_backing() = 0;
  // What was copied is durable (or not): clean it and forget its log records, or keep it dirty.
  virtual void finish_writeback(Result<void> durable) = 0;

  virtual bool dirty() const = 0;
  virtual uint64_t disk_order() const = 0;  // files with close numbers are close on disk
};
using DirtyFilePtr = std::shared_ptr<DirtyFile>;

struct WritebackOptions {
  std::chrono::nanoseconds commit_interval = std::chrono::seconds(5);
  std::chrono::nanoseconds writeback_age = std::chrono::seconds(30);
  unsigned threads = 2;
  std::chrono::nanoseconds retry_first = std::chrono::seconds(1);  // doubles with each failure
  std::chrono::nanoseconds retry_most = std::chrono::seconds(60);
};

// What the scheduler asks of the filesystem as a whole. Implemented by core.
class WritebackHost {
 public:
  virtual ~WritebackHost() = default;
  virtual Result<void> sync_log() = 0;          // once after the commits of a tick
  virtual Result<void> sync_namespace() = 0;    // names made since the last tick become durable
  virtual Result<void> sync_backing_all() = 0;  // syncfs of the backing filesystem
  // Bytes to write back now although they are young: 0 below the watermark.
  virtual uint64_t excess_bytes() = 0;
  virtual uint64_t dirty_bytes() = 0;
};

struct WritebackProgress {
  uint64_t files_left = 0;
  uint64_t bytes_left = 0;
};

// When dirty data moves: to the log every commit_interval, to the backing files at writeback_age,
// at once above the watermark, or asked for. A file that fails is tried again after 1 s, 2 s, 4 s …
// 60 s; its data stays. Thread-safe.
class Writeback {
 public:
  Writeback(const WritebackOptions& options, WritebackHost& host);
  ~Writeback();  // joins; what is dirty stays dirty
  Writeback(const Writeback&) = delete;
  Writeback& operator=(const Writeback&) = delete;

  // The file went from clean to dirty. Never blocks (a concurrent queue).
  void enqueue(DirtyFilePtr file);
  // excess_bytes() may have become positive. Never blocks.
  void nudge();
  // Writes everything back that is dirty when called; returns the first error, after having tried
  // all. `progress` is called about four times a second.
  Result<void> flush_all(const std::function<void(const WritebackProgress&)>& progress);
  // Writes one file back and makes it durable.
  Result<void> flush(const DirtyFilePtr& file);
  // Nothing is written back before release(): recovery is still making old records durable.
  void hold();
  void release();

  struct Stats {
    uint64_t files_queued;
    uint64_t oldest_dirty_seconds;
    uint64_t failures;       // since start
    uint64_t failing_files;  // now
  };
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ramfs
