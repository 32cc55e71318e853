#pragma once

#include <cstdint>
#include <string>

namespace ramfs {

// What a mount is doing, at one moment. Bytes and counts are since mount.
struct Status {
  struct {
    uint64_t budget_bytes = 0, used_bytes = 0, files = 0;
  } arena;
  struct {
    uint64_t bytes = 0, oldest_seconds = 0, files = 0, limit_bytes = 0;
  } dirty;
  struct {
    uint64_t bytes = 0, disk_bytes = 0;
    double compression_ratio = 1;
  } log;
  struct {
    uint64_t app_write_bytes = 0;      // what applications wrote
    uint64_t log_write_bytes = 0;      // what went to the log's device
    uint64_t backing_write_bytes = 0;  // what went to backing files
    uint64_t absorbed_bytes = 0;       // written, then overwritten, cut or unlinked in RAM
  } wear;
  struct {
    uint64_t arena_opens = 0, backing_opens = 0;
    double hit_rate = 0;
  } hits;
  struct {
    uint64_t writeback = 0, failing_files = 0, commit = 0, conflicts = 0;
  } errors;
  struct {
    uint64_t known = 0, open_files = 0, cached_descriptors = 0;
  } inodes;
  struct {
    uint64_t log_records = 0, arena_slots = 0, bytes = 0, damaged = 0, milliseconds = 0;
  } recovered;
  bool recovering = false;  // recovered data is not durable in the backing files yet
  std::string last_error;   // of writeback or commit; empty while all is well
  // Somebody should look: errors that have not gone away.
  bool needs_attention() const { return errors.failing_files > 0 || !last_error.empty(); }
};

// What is known of one file.
struct FileStatus {
  std::string home;     // "arena" or "backing"
  std::string binding;  // "unbound"
  double heat = 0;
  uint64_t size = 0;
  uint64_t arena_bytes = 0;
  uint64_t dirty_bytes = 0;
  uint64_t uncommitted_bytes = 0;
  uint64_t open_handles = 0;
};

}  // namespace ramfs
