#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ramfs {

// What an fsync promises: the data is in the backing file, in the log, or will be within `commit`.
enum class Durability { backing, log, relaxed };

// Who else may change the backing directory: nobody, or anybody at any time.
enum class Coherence { exclusive, open };

struct CoreOptions {
  uint64_t arena_bytes = 0;
  uint64_t dirty_bytes = 0;     // above it writeback starts at once and writers are slowed
  uint64_t slot_max_bytes = 0;  // larger files stay on the backing directory
  Durability durability = Durability::log;
  Coherence coherence = Coherence::open;
  std::chrono::nanoseconds commit_interval = std::chrono::seconds(5);
  std::chrono::nanoseconds writeback_age = std::chrono::seconds(30);
  double promote = 3;
  double demote = 0.5;
  std::chrono::nanoseconds half_life = std::chrono::minutes(10);
  bool read_only = false;
  // The most descriptors the core may keep open in its caches.
  size_t cached_descriptors = 2000;
};

}  // namespace ramfs
