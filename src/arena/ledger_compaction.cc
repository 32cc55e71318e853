#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "arena/ledger.h"
#include "ramfs/os/fault.h"

namespace ramfs {

size_t Ledger::used_cells() const {
  size_t cells = tail_->used();
  for (const auto& segment : full_) cells += segment->used();
  return cells;
}

bool Ledger::compaction_due() const {
  return incomplete_ || used_cells() >= std::max(compact_cells_, 2 * cells_after_compaction_);
}

void Ledger::maintain() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (!spare_) make_spare();
    bool due = compaction_due();
    if (due && compact()) continue;
    if (stopping_) return;
    if (spare_ && !due) {
      wake_.wait(mutex_);
    } else {
      wake_.wait_for(mutex_, std::chrono::seconds(1));  // there was no room: look again
    }
  }
}

void Ledger::make_spare() {
  uint64_t number = next_number_++;
  std::unique_ptr<LedgerSegment> made;
  {
    MutexUnlock unlock(mutex_);
    auto segment = LedgerSegment::create(directory_, number, segment_cells_);
    if (segment) made = std::move(*segment);
  }
  if (!made) return;
  if (spare_ || number < tail_->number()) {
    full_.push_back(std::move(made));  // overtaken by a segment that could not wait
  } else {
    spare_ = std::move(made);
  }
}

// Moves what counts to a new segment and deletes the ones before it.
bool Ledger::compact() {
  if (!start_segment(segment_cells_)) return false;
  incomplete_ = false;
  std::vector<std::unique_ptr<LedgerSegment>> old = std::move(full_);
  full_.clear();
  bool repeated = false;
  {
    MutexUnlock unlock(mutex_);
    repeated = repeat_all();
    std::vector<uint64_t> numbers;
    for (const auto& segment : old) numbers.push_back(segment->number());
    if (repeated) remove_segments(numbers);
    if (repeated) old.clear();
  }
  full_.insert(full_.begin(), std::make_move_iterator(old.begin()),
               std::make_move_iterator(old.end()));
  if (repeated) cells_after_compaction_ = used_cells();
  return repeated;
}

bool Ledger::repeat_all() {
  std::vector<SlotId> slots;
  for (Shard& shard : shards_) {
    slots.clear();
    {
      MutexLock lock(shard.mutex);
      for (const auto& [slot, state] : shard.slots) slots.push_back(slot);
    }
    for (SlotId slot : slots) {
      MutexLock lock(shard.mutex);
      auto found = shard.slots.find(slot);
      if (found != shard.slots.end() && !append_snapshot(slot, found->second)) return false;
    }
  }
  return true;
}

// Oldest first: an entry is never left behind without the ones it builds on.
void Ledger::remove_segments(std::vector<uint64_t> numbers) {
  std::sort(numbers.begin(), numbers.end());
  for (uint64_t number : numbers) {
    (void)fault_point("ledger.remove");
    ::unlinkat(directory_, LedgerSegment::file_name(number).c_str(), 0);
  }
}

}  // namespace ramfs
