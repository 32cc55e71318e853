#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "ramfs/writeback/writeback.h"

namespace ramfs {

// One flush_all(): the files it still waits for. `ticket` orders it among the attempts.
struct Flush {
  uint64_t ticket = 0;
  absl::flat_hash_set<const DirtyFile*> left;
  std::optional<Errno> first_error;
};

// Every file that is to be written back, once each, and when. A file that is taken is one thread's
// own until it is settled. Not thread-safe, and calls of DirtyFile only disk_order().
class DirtyQueue {
 public:
  using Clock = std::chrono::steady_clock;

  enum class Outcome {
    nothing,  // there was nothing to write back
    clean,    // all is durable
    dirty,    // what was copied is durable, but more was written meanwhile
    failed,
    untouched,  // it was not tried
  };

  explicit DirtyQueue(const WritebackOptions& options) : options_(options) {}

  // The file became dirty at `when`.
  void add(DirtyFilePtr file, Clock::time_point when);

  // Up to `most` files that a flush waits for, or that are due; with `young`, also those that are
  // not due yet, oldest first.
  std::vector<DirtyFilePtr> take(Clock::time_point now, bool young, size_t most);
  // This file, queued or not. False: another thread has it.
  bool take_one(const DirtyFilePtr& file);
  // Gives a taken file back. What it returns is to be destroyed without the lock.
  [[nodiscard]] DirtyFilePtr settle(const DirtyFilePtr& file, Outcome outcome, Errno error,
                                    Clock::time_point now);

  // When take() without `young` has something next; max() if nothing is queued.
  Clock::time_point next_due() const;

  // `flush` waits from now on for one attempt, begun after this call, of every file queued.
  void start_flush(Flush& flush);
  void end_flush(Flush& flush);

  std::vector<DirtyFilePtr> files() const;
  size_t size() const { return entries_.size(); }
  size_t failing() const;
  Clock::time_point oldest(Clock::time_point now) const;  // `now` if there is none

 private:
  // An idle entry stands in one of three orders.
  using Order = std::set<std::pair<uint64_t, DirtyFile*>>;
  struct Entry {
    DirtyFilePtr file;
    Clock::time_point dirty_since;
    Clock::time_point retry_at;
    unsigned failures = 0;
    uint64_t forced = 0;   // ticket of the newest flush that waits for it
    uint64_t attempt = 0;  // ticket of the newest attempt
    bool busy = false;
    bool added_while_busy = false;
    Order* order = nullptr;
    uint64_t order_key = 0;
  };

  void place(Entry& entry);
  void remove_from_order(Entry& entry);
  void take_from(Order& order, uint64_t limit, size_t most, std::vector<DirtyFilePtr>& taken);
  void begin_attempt(Entry& entry);
  void satisfy(Entry& entry, uint64_t before, std::optional<Errno> error);

  const WritebackOptions options_;
  absl::flat_hash_map<DirtyFile*, Entry> entries_;
  Order waiting_;  // by dirty_since
  Order failing_;  // by retry_at
  Order forced_;   // by place on the disk
  std::vector<Flush*> flushes_;
  uint64_t last_ticket_ = 0;
};

}  // namespace ramfs
