#include "writeback/dirty_queue.h"

#include <algorithm>
#include <limits>

namespace ramfs {
namespace {

using Clock = DirtyQueue::Clock;
constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();

uint64_t as_key(Clock::time_point time) {
  return static_cast<uint64_t>(time.time_since_epoch().count());
}

Clock::time_point as_time(uint64_t key) {
  return Clock::time_point(Clock::duration(static_cast<Clock::rep>(key)));
}

Clock::duration retry_delay(const WritebackOptions& options, unsigned failures) {
  Clock::duration delay = options.retry_first;
  for (unsigned step = 1; step < failures && delay < options.retry_most; ++step) delay *= 2;
  return std::min<Clock::duration>(delay, options.retry_most);
}

}  // namespace

void DirtyQueue::add(DirtyFilePtr file, Clock::time_point when) {
  Entry& entry = entries_[file.get()];
  bool is_new = !entry.file;
  if (is_new) entry.file = std::move(file);
  entry.dirty_since = when;  // a file that was queued before had been clean in between
  if (entry.busy) {
    entry.added_while_busy = true;
  } else {
    place(entry);
  }
}

void DirtyQueue::place(Entry& entry) {
  remove_from_order(entry);
  if (entry.forced > 0) {
    entry.order = &forced_;
    entry.order_key = entry.file->disk_order();
  } else if (entry.failures > 0) {
    entry.order = &failing_;
    entry.order_key = as_key(entry.retry_at);
  } else {
    entry.order = &waiting_;
    entry.order_key = as_key(entry.dirty_since);
  }
  entry.order->emplace(entry.order_key, entry.file.get());
}

void DirtyQueue::remove_from_order(Entry& entry) {
  if (entry.order) entry.order->erase({entry.order_key, entry.file.get()});
  entry.order = nullptr;
}

void DirtyQueue::begin_attempt(Entry& entry) {
  remove_from_order(entry);
  entry.busy = true;
  entry.attempt = ++last_ticket_;
}

void DirtyQueue::take_from(Order& order, uint64_t limit, size_t most,
                           std::vector<DirtyFilePtr>& taken) {
  while (taken.size() < most && !order.empty() && order.begin()->first <= limit) {
    Entry& entry = entries_.at(order.begin()->second);
    begin_attempt(entry);
    taken.push_back(entry.file);
  }
}

std::vector<DirtyFilePtr> DirtyQueue::take(Clock::time_point now, bool young, size_t most) {
  std::vector<DirtyFilePtr> taken;
  take_from(forced_, kAll, most, taken);
  take_from(failing_, as_key(now), most, taken);
  take_from(waiting_, young ? kAll : as_key(now - options_.writeback_age), most, taken);
  return taken;
}

bool DirtyQueue::take_one(const DirtyFilePtr& file) {
  Entry& entry = entries_[file.get()];
  if (entry.busy) return false;
  if (!entry.file) {
    entry.file = file;
    entry.dirty_since = Clock::now();
  }
  begin_attempt(entry);
  return true;
}

DirtyFilePtr DirtyQueue::settle(const DirtyFilePtr& file, Outcome outcome, Errno error,
                                Clock::time_point now) {
  auto found = entries_.find(file.get());
  Entry& entry = found->second;
  entry.busy = false;
  bool added = std::exchange(entry.added_while_busy, false);
  switch (outcome) {
    case Outcome::nothing:
    case Outcome::clean:
      if (!added) {
        satisfy(entry, kAll, std::nullopt);
        DirtyFilePtr last = std::move(entry.file);
        entries_.erase(found);
        return last;
      }
      entry.failures = 0;
      satisfy(entry, entry.attempt, std::nullopt);
      break;
    case Outcome::dirty:
      entry.failures = 0;
      if (!added) entry.dirty_since = now;
      satisfy(entry, entry.attempt, std::nullopt);
      break;
    case Outcome::failed:
      ++entry.failures;
      entry.retry_at = now + retry_delay(options_, entry.failures);
      satisfy(entry, entry.attempt, error);
      break;
    case Outcome::untouched:
      break;
  }
  place(entry);
  return nullptr;
}

// Flushes that began before the ticket `before` wait no longer for this file.
void DirtyQueue::satisfy(Entry& entry, uint64_t before, std::optional<Errno> error) {
  if (entry.forced < before) entry.forced = 0;
  for (Flush* flush : flushes_) {
    if (flush->ticket >= before) continue;
    if (flush->left.erase(entry.file.get()) == 0) continue;
    if (error && !flush->first_error) flush->first_error = error;
  }
}

Clock::time_point DirtyQueue::next_due() const {
  if (!forced_.empty()) return Clock::time_point::min();
  Clock::time_point due = Clock::time_point::max();
  if (!waiting_.empty()) due = as_time(waiting_.begin()->first) + options_.writeback_age;
  if (!failing_.empty()) due = std::min(due, as_time(failing_.begin()->first));
  return due;
}

void DirtyQueue::start_flush(Flush& flush) {
  flush.ticket = ++last_ticket_;
  for (auto& [file, entry] : entries_) {
    flush.left.insert(file);
    entry.forced = flush.ticket;
    if (!entry.busy) place(entry);
  }
  flushes_.push_back(&flush);
}

void DirtyQueue::end_flush(Flush& flush) {
  std::erase(flushes_, &flush);
}

std::vector<DirtyFilePtr> DirtyQueue::files() const {
  std::vector<DirtyFilePtr> result;
  result.reserve(entries_.size());
  for (const auto& [file, entry] : entries_) result.push_back(entry.file);
  return result;
}

size_t DirtyQueue::failing() const {
  size_t count = 0;
  for (const auto& [file, entry] : entries_) count += entry.failures > 0;
  return count;
}

Clock::time_point DirtyQueue::oldest(Clock::time_point now) const {
  for (const auto& [file, entry] : entries_) now = std::min(now, entry.dirty_since);
  return now;
}

}  // namespace ramfs
