#include "arena/ledger.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include "ramfs/base/logging.h"

namespace ramfs {
namespace {

constexpr uint64_t kEndOfFile = std::numeric_limits<uint64_t>::max();

size_t padded_key(const FileKey& file) {
  return (file.bytes().size() + 15) / 16 * 16;
}

size_t snapshot_cells(const LedgerSlot& state) {
  size_t bytes = padded_key(state.file) + state.dirty.size() * sizeof(Extent);
  return 1 + (bytes + sizeof(LedgerCell) - 1) / sizeof(LedgerCell);
}

LedgerCell make_cell(SlotId slot, Extent extent = {}, uint64_t size = 0, Timestamp mtime = {}) {
  LedgerCell cell{};
  cell.slot = static_cast<uint64_t>(slot);
  cell.begin = extent.begin;
  cell.end = extent.end;
  cell.size = size;
  cell.mtime = mtime.ns;
  return cell;
}

// Copies all but the header, which makes the entry valid and therefore comes last.
void fill(LedgerCell& to, const LedgerCell& entry) {
  std::memcpy(reinterpret_cast<char*>(&to) + sizeof to.header,
              reinterpret_cast<const char*>(&entry) + sizeof entry.header,
              sizeof entry - sizeof entry.header);
}

}  // namespace

void LedgerSlot::apply_write(Extent extent, uint64_t new_size, Timestamp new_mtime) {
  dirty.add(extent);
  apply_size(new_size, new_mtime);
}

void LedgerSlot::apply_size(uint64_t new_size, Timestamp new_mtime) {
  noted = true;
  size = new_size;
  mtime = new_mtime;
  dirty.remove({size, kEndOfFile});
}

Ledger::Ledger(int directory, uint64_t compact_bytes, LedgerContents contents)
    : directory_(directory),
      compact_cells_(compact_bytes / sizeof(LedgerCell)),
      segment_cells_(std::max<size_t>(1, compact_cells_ / 4)) {
  for (auto& [slot, state] : contents.slots) {
    Shard& shard = shard_of(slot);
    MutexLock lock(shard.mutex);
    shard.slots.emplace(slot, std::move(state));
    ++count_;
  }
  {
    MutexLock lock(mutex_);
    if (!contents.segments.empty()) next_number_ = contents.segments.back() + 1;
    if (!start_segment(segment_cells_)) {
      throw std::system_error(ENOSPC, std::generic_category(), "cannot make the arena's ledger");
    }
  }
  if (!repeat_all()) {
    throw std::system_error(ENOSPC, std::generic_category(), "cannot rewrite the arena's ledger");
  }
  remove_segments(contents.segments);
  maintainer_ = std::thread([this] { maintain(); });
  ::pthread_setname_np(maintainer_.native_handle(), "ledger");
}

Ledger::~Ledger() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  maintainer_.join();
}

Result<void> Ledger::create(SlotId slot, const FileKey& file) {
  Shard& shard = shard_of(slot);
  MutexLock lock(shard.mutex);
  LedgerSlot state;
  state.file = file;
  if (!append_snapshot(slot, state)) return fail(ENOSPC);
  if (shard.slots.insert_or_assign(slot, std::move(state)).second) ++count_;
  return {};
}

void Ledger::discard(SlotId slot) {
  Shard& shard = shard_of(slot);
  MutexLock lock(shard.mutex);
  if (shard.slots.erase(slot) == 0) return;
  --count_;
  append(make_cell(slot), CellKind::discard);
}

void Ledger::note_write(SlotId slot, Extent extent, uint64_t size, Timestamp mtime) {
  Shard& shard = shard_of(slot);
  MutexLock lock(shard.mutex);
  auto found = shard.slots.find(slot);
  if (found == shard.slots.end()) return;
  LedgerSlot& state = found->second;
  // Rewriting dirty bytes within one tick of the clock says nothing new.
  if (state.noted && state.size == size && state.mtime == mtime && state.dirty.contains(extent)) {
    return;
  }
  state.apply_write(extent, size, mtime);
  append(make_cell(slot, extent, size, mtime), CellKind::write);
}

void Ledger::note_size(SlotId slot, uint64_t size, Timestamp mtime) {
  Shard& shard = shard_of(slot);
  MutexLock lock(shard.mutex);
  auto found = shard.slots.find(slot);
  if (found == shard.slots.end()) return;
  found->second.apply_size(size, mtime);
  append(make_cell(slot, {}, size, mtime), CellKind::size);
}

void Ledger::note_clean(SlotId slot, const ExtentSet& extents) {
  Shard& shard = shard_of(slot);
  MutexLock lock(shard.mutex);
  auto found = shard.slots.find(slot);
  if (found == shard.slots.end()) return;
  LedgerSlot& state = found->second;
  state.dirty.remove(extents);
  // Nothing left, or many extents: the whole state in one entry is the shorter word.
  if (extents.size() > 1 && snapshot_cells(state) <= extents.size()) {
    append_snapshot(slot, state);
    return;
  }
  for (const Extent& extent : extents) append(make_cell(slot, extent), CellKind::clean);
}

std::vector<std::pair<SlotId, LedgerSlot>> Ledger::slots() const {
  std::vector<std::pair<SlotId, LedgerSlot>> result;
  for (const Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    result.insert(result.end(), shard.slots.begin(), shard.slots.end());
  }
  return result;
}

bool Ledger::append(const LedgerCell& entry, CellKind kind) {
  MutexLock lock(mutex_);
  if (kind == CellKind::write && extend_newest(entry)) return true;
  LedgerCell* cell = reserve(1);
  if (!cell) return false;
  fill(*cell, entry);
  store_in_order(cell->header, LedgerCell::make_header(kind, 1));
  newest_write_ = kind == CellKind::write ? cell : nullptr;
  return true;
}

bool Ledger::append_snapshot(SlotId slot, const LedgerSlot& state) {
  LedgerCell first = make_cell(slot, {}, state.size, state.mtime);
  first.begin = state.file.bytes().size();
  first.end = state.dirty.size();
  first.noted = state.noted;
  size_t cells = snapshot_cells(state);

  MutexLock lock(mutex_);
  LedgerCell* cell = reserve(cells);
  if (!cell) return false;
  fill(*cell, first);
  char* behind = reinterpret_cast<char*>(cell + 1);
  std::memcpy(behind, state.file.bytes().data(), state.file.bytes().size());
  behind += padded_key(state.file);
  for (const Extent& extent : state.dirty) {
    std::memcpy(behind, &extent, sizeof extent);
    behind += sizeof extent;
  }
  store_in_order(cell->header, LedgerCell::make_header(CellKind::snapshot, cells));
  newest_write_ = nullptr;
  return true;
}

// A write that continues the one before it, the usual case, needs no entry of its own. The end
// grows first: bytes behind the size do not count, so every moment shows the old or the new state.
bool Ledger::extend_newest(const LedgerCell& entry) {
  LedgerCell* newest = newest_write_;
  if (!newest || newest->slot != entry.slot) return false;
  if (entry.begin < newest->begin || entry.begin > newest->end) return false;
  if (entry.size < newest->size) return false;
  store_in_order(newest->end, std::max(newest->end, entry.end));
  store_in_order(newest->size, entry.size);
  store_in_order(newest->mtime, entry.mtime);
  return true;
}

LedgerCell* Ledger::reserve(size_t cells) {
  if (incomplete_) return nullptr;  // the maintainer is at it
  if (LedgerCell* cell = tail_->reserve(cells)) return cell;
  bool started = start_segment(std::max(cells, segment_cells_));
  wake_.notify_one();
  if (started) return tail_->reserve(cells);
  log_error("no room for the arena's ledger: a kill of the daemon now would lose writes");
  incomplete_ = true;
  return nullptr;
}

bool Ledger::start_segment(size_t cells) {
  std::unique_ptr<LedgerSegment> next;
  if (spare_ && spare_->has_room(cells)) {
    next = std::move(spare_);
  } else {
    auto made = LedgerSegment::create(directory_, next_number_++, cells);
    if (!made) return false;
    next = std::move(*made);
  }
  if (tail_) full_.push_back(std::move(tail_));
  // A spare too small for this entry would now be read too early: it stays empty.
  if (spare_) full_.push_back(std::move(spare_));
  tail_ = std::move(next);
  newest_write_ = nullptr;
  return true;
}

}  // namespace ramfs
