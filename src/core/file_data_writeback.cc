#include <algorithm>
#include <memory>

#include "ramfs/base/logging.h"
#include "ramfs/core/file_data.h"
#include "ramfs/core/file_table.h"
#include "ramfs/os/fault.h"

namespace ramfs {
namespace {

constexpr uint64_t kCopyUnit = 1ull << 20;  // between two of them a truncate may come in

std::span<std::byte> copy_buffer() {
  thread_local auto buffer = std::make_unique<std::byte[]>(kCopyUnit);
  return {buffer.get(), kCopyUnit};
}

}  // namespace

// Takes what is dirty as ours to copy. False: there is nothing.
bool FileData::begin_writeback(bool even_unnamed) {
  MutexLock lock(mutex_);
  while (writing_back_) changed_.wait(mutex_);
  bool nothing = dirty_.empty() && !data_unsynced_;
  if (nothing || (!named_ && !even_unnamed)) {
    queued_ = false;
    return false;
  }
  writing_back_ = true;
  std::swap(flushing_, dirty_);
  flush_lsn_ = last_lsn_;
  flushing_low_water_ = std::exchange(low_water_, UINT64_MAX);
  flushing_through_ = std::exchange(data_unsynced_, false);
  return true;
}

Result<bool> FileData::copy_to_backing() {
  return copy_out(false);
}

Result<bool> FileData::copy_out(bool even_unnamed) {
  if (cacheable()) services_.gate.wait();
  if (!begin_writeback(even_unnamed)) return false;
  SlotId slot = kNoSlot;
  {
    MutexLock lock(mutex_);
    slot = slot_;
  }
  auto backing = backing_fd(true);
  Result<void> done = fault_point("writeback.begun");
  if (!backing) done = fail(backing.error());
  if (done) done = copy_dirty((*backing)->get(), slot);
  if (done) return true;
  if (done.error() == Errno{ESTALE} && services_.backing.works()) {
    file_is_gone();
    return false;
  }
  finish_writeback(done);
  return fail(done.error());
}

// Its last name was removed, directly or by a request that we shall hear of in a moment.
void FileData::file_is_gone() {
  auto self = shared_from_this();
  {
    MutexLock lock(mutex_);
    dirty_.add(flushing_);
    flushing_.clear();
    writing_back_ = false;
    queued_ = false;
    lose_name_locked();
    changed_.notify_all();
  }
  services_.file_table->let_go(*this);
}

// Did somebody else change the backing file? Our own changes (truncate, allocation) hold shape_: a
// difference counts only if it is there while none of them is under way.
bool FileData::backing_changed(int backing) {
  if (services_.options.coherence != Coherence::open) return false;
  auto differs = [&] {
    auto attributes = sys::stat_fd(backing);
    MutexLock lock(mutex_);
    return attributes && home_ == Home::arena && version_of(*attributes) != version_;
  };
  if (!differs()) return false;
  WriterLock shape(shape_);
  return differs();
}

Result<void> FileData::copy_dirty(int backing, SlotId slot) {
  if (slot == kNoSlot) return {};
  if (backing_changed(backing)) keep_foreign_copy(backing);
  auto source = slot_fd(slot);
  if (!source) return fail(source.error());
  auto buffer = copy_buffer();
  for (uint64_t cursor = 0;;) {
    ReaderLock shape(shape_);
    Extent next;
    Timestamp mtime;
    {
      MutexLock lock(mutex_);
      next = flushing_.first_from(cursor);
      mtime = mtime_;
    }
    if (next.empty()) {
      if (auto stamped = sys::set_mtime(backing, mtime); !stamped) return stamped;
      auto known = refresh_version(backing);
      if (!known) return fail(known.error());
      MutexLock lock(mutex_);
      inode_->set_change_time({ctime_, sys::to_timestamp(known->stx_ctime)});
      return fault_point("writeback.copied");
    }
    next.end = std::min(next.end, next.begin + kCopyUnit);
    auto bytes = buffer.first(next.length());
    auto count = sys::read_at((*source)->get(), bytes, next.begin);
    if (!count) return fail(count.error());
    if (*count != bytes.size()) return fail(EIO);
    auto written = sys::write_at(backing, bytes, next.begin);
    if (!written) {
      (void)refresh_version(backing);  // a part may be there, and is ours
      return written;
    }
    services_.counters.backing_write_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
    cursor = next.end;
  }
}

Result<void> FileData::sync_backing() {
  auto backing = backing_fd(true);
  if (!backing) return fail(backing.error());
  auto synced = sys::sync_fd((*backing)->get());
  ReaderLock shape(shape_);
  if (synced) (void)refresh_version((*backing)->get());  // what was written through
  return synced;
}

// Up to where the log's records of this file are void, now that the copy is durable: each record up
// to the one that was newest when the copy began holds bytes that the backing file now has, or
// older ones; if nothing was written since, that is true of every record, also of one under way.
Lsn FileData::void_records_locked() {
  bool all_clean = dirty_.empty() && !data_unsynced_;
  Lsn upto = all_clean ? last_lsn_ : flush_lsn_;
  if (all_clean) {
    for (Lsn lsn : in_flight_) upto = std::max(upto, lsn);
  }
  wait_for_commits_locked(upto);
  return upto;
}

// What was not written again meanwhile is clean.
void FileData::note_durable_locked(Lsn forgotten) {
  ExtentSet cleaned = std::move(flushing_);
  flushing_.clear();
  cleaned.remove(dirty_);
  uncommitted_.remove(cleaned);
  flushing_low_water_ = UINT64_MAX;
  flushing_through_ = false;
  ++flushes_done_;
  if (slot_ != kNoSlot) services_.arena.note_clean(slot_, cleaned);
  if (dirty_.empty() && !data_unsynced_) times_pending_ = false;
  if (last_lsn_ <= forgotten) last_lsn_ = kNoLsn;
}

void FileData::note_failed_locked(Errno error) {
  dirty_.add(flushing_);
  flushing_.clear();
  low_water_ = std::min(low_water_, std::exchange(flushing_low_water_, UINT64_MAX));
  data_unsynced_ = data_unsynced_ || std::exchange(flushing_through_, false);
  writeback_error_ = error;
  services_.dirty.failed(error);
}

void FileData::finish_writeback(Result<void> durable) {
  auto self = shared_from_this();
  Lsn upto = kNoLsn;
  if (durable) {
    MutexLock lock(mutex_);
    upto = void_records_locked();
  }
  // The forget comes first: a kill, or an fsync that finds nothing to do, must not meet clean data
  // with records that a replay would put over it.
  if (upto != kNoLsn && durable) durable = services_.forgets.forget(inode_->key, upto);
  if (durable) durable = fault_point("writeback.forgotten");
  {
    MutexLock lock(mutex_);
    if (durable) {
      note_durable_locked(upto);
    } else {
      note_failed_locked(durable.error());
    }
    recount_locked(durable.has_value());
    writing_back_ = false;
    queued_ = dirty_locked();
    drop_unnamed_locked();
    changed_.notify_all();
  }
  services_.file_table->let_go(*this);
}

Result<void> FileData::flush_now(bool even_unnamed) {
  auto copied = copy_out(even_unnamed);
  if (!copied) return fail(copied.error());
  if (!*copied) return {};
  auto synced = sync_backing();
  finish_writeback(synced);
  return synced;
}

}  // namespace ramfs
