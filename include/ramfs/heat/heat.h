#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "ramfs/base/ids.h"

namespace ramfs {

struct HeatOptions {
  std::chrono::nanoseconds half_life = std::chrono::minutes(10);
  double promote = 3;          // a file at least this warm is worth RAM
  double demote = 0.5;         // a file colder than this is not; below promote: hysteresis
  size_t files_max = 200'000;  // beyond it the coldest are forgotten
};

// One use of a file: an open counts 1, bytes count by the megabyte.
struct Use {
  InodeId inode;
  double weight = 1;
  std::chrono::steady_clock::time_point when;
};

// How warm each file is: an exponential moving average of its use,
//   heat(t) = sum over uses u of weight(u) * 2^(-(t - when(u)) / half_life),
// kept as one number and its time per file. Not thread-safe: one thread owns it.
class HeatMap {
 public:
  explicit HeatMap(const HeatOptions& options) : options_(options) {}

  // Returns the heat after this use.
  double add(const Use& use);
  double heat(InodeId inode, std::chrono::steady_clock::time_point now) const;  // 0 if unknown
  bool worth_promoting(InodeId inode, std::chrono::steady_clock::time_point now) const;
  bool worth_demoting(InodeId inode, std::chrono::steady_clock::time_point now) const;
  void forget(InodeId inode);
  // The given files, coldest first.
  std::vector<InodeId> coldest_first(std::vector<InodeId> inodes,
                                     std::chrono::steady_clock::time_point now) const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    double heat;
    std::chrono::steady_clock::time_point when;
  };
  double decayed(const Entry& entry, std::chrono::steady_clock::time_point now) const;
  void shed(std::chrono::steady_clock::time_point now);

  const HeatOptions options_;
  absl::flat_hash_map<InodeId, Entry> entries_;
};

}  // namespace ramfs
