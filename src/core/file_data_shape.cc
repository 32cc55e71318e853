#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>

#include "ramfs/core/file_data.h"

namespace ramfs {

// The backing file is about to change otherwise than by writeback. A replay of its older log
// records must not undo that, and so the log learns of it first, durably: by a record that
// `describe` completes, or, where the log has nothing of the file, by nothing. Without `describe`
// the records are void: all their data is in the backing file.
// shape_ is held exclusively: no commit is under way.
Result<void> FileData::before_backing_change(const std::function<void(LogRecord&)>& describe) {
  LogRecord record;
  Lsn last = kNoLsn;
  {
    MutexLock lock(mutex_);
    last = last_lsn_;
    record.file = inode_->key;
    record.size = size_;
    record.mtime = sys::now();
    record.low_water = low_water_;
  }
  if (last == kNoLsn) return services_.forgets.settle(inode_->key);
  if (!describe) {
    auto forgotten = services_.log.forget(inode_->key, last, Sync::yes);
    if (!forgotten) return forgotten;
    MutexLock lock(mutex_);
    last_lsn_ = kNoLsn;
    return {};
  }
  describe(record);
  Lsn lsn = services_.log.next_lsn();
  if (auto logged = services_.log.append(lsn, record, Sync::yes); !logged) return logged;
  MutexLock lock(mutex_);
  last_lsn_ = lsn;
  low_water_ = UINT64_MAX;
  // The record is void once the backing file has the change durably: a matter for writeback.
  data_unsynced_ = true;
  enqueue_locked();
  return {};
}

// The log was told of a change that the backing filesystem then refused: a record of how the file
// really is follows it, so that a replay ends there.
Result<void> FileData::undo_change(Errno error) {
  if (auto told = before_backing_change([](LogRecord&) {}); !told) return told;
  return fail(error);
}

Result<void> FileData::truncate(uint64_t size) {
  services_.gate.wait();
  WriterLock shape(shape_);
  auto backing = backing_fd(true);
  if (!backing) return fail(backing.error());
  auto ready = before_backing_change([size](LogRecord& record) {
    record.size = size;
    record.low_water = std::min(record.low_water, size);
  });
  if (!ready) return ready;
  if (auto cut = sys::truncate((*backing)->get(), size); !cut) return undo_change(cut.error());

  SlotId slot = kNoSlot;
  {
    MutexLock lock(mutex_);
    forget_locked(ExtentSet({size, UINT64_MAX}));
    size_ = backing_size_ = size;
    low_water_ = std::min(low_water_, size);
    slot = slot_;
    // At once: a kill here would let the next daemon write what was cut.
    if (slot != kNoSlot) services_.arena.note_size(slot, size, sys::now());
  }
  if (slot != kNoSlot) {
    auto fd = slot_fd(slot);
    if (fd) (void)sys::truncate((*fd)->get(), size);
  }
  note_backing_changed((*backing)->get());
  return {};
}

// The backing file has just been stamped by the change; RAM goes on from there if a writeback is
// still to come.
void FileData::note_backing_changed(int backing) {
  auto attributes = refresh_version(backing);
  MutexLock lock(mutex_);
  ++metadata_changes_;
  times_pending_ = !dirty_.empty() || !flushing_.empty();
  if (attributes) {
    mtime_ = sys::to_timestamp(attributes->stx_mtime);
    ctime_ = sys::to_timestamp(attributes->stx_ctime);
  }
  if (slot_ != kNoSlot) services_.arena.note_size(slot_, size_, mtime_);
}

// allocate, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE; the kernel's FUSE knows no others. The backing
// filesystem does it at once; what the slot has of a zeroed range goes.
Result<void> FileData::fallocate(int mode, Extent extent) {
  services_.gate.wait();
  bool keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  bool zeroes = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
  WriterLock shape(shape_);
  auto backing = backing_fd(true);
  if (!backing) return fail(backing.error());
  uint64_t size = 0;
  {
    MutexLock lock(mutex_);
    size = keep_size ? size_ : std::max(size_, extent.end);
  }
  auto ready = before_backing_change([&](LogRecord& record) {
    record.size = size;
    if (zeroes) record.holes.push_back(extent);
  });
  if (!ready) return ready;
  if (auto done = sys::allocate((*backing)->get(), mode, extent); !done) {
    return undo_change(done.error());
  }
  if (zeroes) {
    // Dirty bytes may have been all that made the file longer than the backing file.
    auto attributes = sys::stat_fd((*backing)->get());
    if (!attributes) return fail(attributes.error());
    if (attributes->stx_size < size) {
      if (auto grown = sys::truncate((*backing)->get(), size); !grown) return grown;
    }
  }

  SlotId slot = kNoSlot;
  {
    MutexLock lock(mutex_);
    slot = slot_;
    if (zeroes) {
      forget_locked(ExtentSet(extent));
      if (slot != kNoSlot) services_.arena.note_clean(slot, ExtentSet(extent));
    }
    size_ = size;
  }
  if (zeroes && slot != kNoSlot) {
    auto fd = slot_fd(slot);
    int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (fd) (void)sys::allocate((*fd)->get(), punch, extent);
  }
  note_backing_changed((*backing)->get());
  return {};
}

// A byte is data if the slot holds it newer than the backing file, or the backing file says so.
Result<uint64_t> FileData::seek(uint64_t offset, int whence) {
  ReaderLock shape(shape_);
  auto backing = backing_fd(false);
  if (!backing) return fail(backing.error());
  int fd = (*backing)->get();
  ExtentSet newer;
  uint64_t size = 0;
  uint64_t backing_size = 0;
  {
    MutexLock lock(mutex_);
    newer = dirty_;
    newer.add(flushing_);
    size = size_;
    backing_size = backing_size_;
  }
  if (newer.empty()) return sys::seek(fd, offset, whence);
  if (offset >= size) return fail(ENXIO);
  if (whence == SEEK_DATA) {
    Extent next = newer.first_from(offset);
    uint64_t found = next.empty() ? UINT64_MAX : next.begin;
    if (offset < backing_size) {
      auto below = sys::seek(fd, offset, SEEK_DATA);
      if (below) found = std::min(found, *below);
    }
    if (found == UINT64_MAX) return fail(ENXIO);
    return found;
  }
  uint64_t at = offset;
  while (at < size) {
    Extent next = newer.first_from(at);
    if (!next.empty() && next.begin == at) {
      at = next.end;
      continue;
    }
    if (at >= backing_size) return at;
    auto hole = sys::seek(fd, at, SEEK_HOLE);
    if (!hole) return hole;
    if (*hole == at) return at;
    at = *hole;
  }
  return size;
}

}  // namespace ramfs
