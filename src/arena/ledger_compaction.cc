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
  while (true) {
    bool short_of_room = !have_spare() || (is_compaction_due() && !compact());
    MutexLock lock(mutex_);
    if (stopping_) return;
    if (short_of_room) {
      wake_.wait_for(mutex_, std::chrono::seconds(1));
    } else if (spare_ && !compaction_due()) {
      wake_.wait(mutex_);
    }
    if (stopping_) return;
  }
}

bool Ledger::is_compaction_due() {
  MutexLock lock(mutex_);
  return compaction_due();
}

// Makes the spare segment if it is missing; false if that cannot be done.
bool Ledger::have_spare() {
  uint64_t number = 0;
  {
    MutexLock lock(mutex_);
    if (spare_) return true;
    number = next_number_++;
  }
  auto made = LedgerSegment::create(directory_, number, segment_cells_);
  if (!made) return false;
  MutexLock lock(mutex_);
  if (spare_ || number < tail_->number()) {
    full_.push_back(std::move(*made));  // overtaken by a segment that could not wait
  } else {
    spare_ = std::move(*made);
  }
  return true;
}

// Moves what counts to a new segment and deletes the ones before it.
bool Ledger::compact() {
  std::vector<std::unique_ptr<LedgerSegment>> old;
  {
    MutexLock lock(mutex_);
    if (!start_segment(segment_cells_)) return false;
    incomplete_ = false;
    old.swap(full_);
  }
  bool repeated = repeat_all();
  if (repeated) {
    std::vector<uint64_t> numbers;
    for (const auto& segment : old) numbers.push_back(segment->number());
    remove_segments(numbers);
    old.clear();
  }
  MutexLock lock(mutex_);
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
