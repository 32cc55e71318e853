#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <cstring>

#include "ramfs/core/file_data.h"
#include "ramfs/core/placement.h"

namespace ramfs {
namespace {

Extent page_aligned(Extent extent) {
  return {extent.begin & ~kPageMask, (extent.end + kPageMask) & ~kPageMask};
}

std::span<std::byte> part(std::span<std::byte> buffer, uint64_t offset, Extent extent) {
  return buffer.subspan(extent.begin - offset, extent.length());
}

}  // namespace

// The window, cut into runs from the slot and runs from the backing file.
std::vector<FileData::Piece> FileData::pieces_locked(Extent window) const {
  std::vector<Piece> pieces;
  uint64_t at = window.begin;
  for (Extent each : present_.within(window)) {
    if (each.begin > at) pieces.push_back({{at, each.begin}, false});
    pieces.push_back({each, true});
    at = each.end;
  }
  if (at < window.end) pieces.push_back({{at, window.end}, false});
  return pieces;
}

Result<size_t> FileData::read(uint64_t offset, std::span<std::byte> buffer) {
  ReaderLock shape(shape_);
  std::vector<Piece> pieces;
  SlotId slot = kNoSlot;
  bool only_backing = false;
  {
    MutexLock lock(mutex_);
    only_backing = present_.empty();
    if (!only_backing) {
      if (offset >= size_) return size_t{0};
      pieces = pieces_locked({offset, std::min<uint64_t>(size_, offset + buffer.size())});
      slot = slot_;
    }
  }
  if (only_backing) {
    auto backing = backing_fd(false);
    if (!backing) return fail(backing.error());
    return sys::read_at((*backing)->get(), buffer, offset);
  }
  return read_pieces(pieces, slot, offset, buffer);
}

Result<size_t> FileData::read_pieces(const std::vector<Piece>& pieces, SlotId slot, uint64_t offset,
                                     std::span<std::byte> buffer) {
  size_t total = 0;
  for (const Piece& piece : pieces) {
    auto source = piece.from_slot ? slot_fd(slot) : backing_fd(false);
    if (!source) return fail(source.error());
    auto into = part(buffer, offset, piece.extent);
    auto count = sys::read_at((*source)->get(), into, piece.extent.begin);
    if (!count) return count;
    // Behind the end of the backing file, in front of dirty bytes, there is a hole.
    std::memset(into.data() + *count, 0, into.size() - *count);
    total += into.size();
  }
  return total;
}

// A file that grows beyond what a slot may hold is written to the backing file from then on: RAM
// must not limit its size. Overwriting a large file in place is another matter: only its dirty
// extents are in the arena.
bool FileData::outgrows(Extent extent) const {
  MutexLock lock(mutex_);
  return extent.end > size_ && extent.end > services_.options.slot_max_bytes;
}

// Takes budget for the pages of `extent`, evicting others' clean data if need be. False: no room.
// Called without shape_, because evicting takes that of other files.
bool FileData::reserve(Extent extent, uint64_t* reserved) {
  {
    MutexLock lock(mutex_);
    *reserved = pages_.missing_from(page_aligned(extent)).total();
  }
  if (*reserved == 0 || services_.arena.try_charge(*reserved)) return true;
  return services_.placement->make_room(*reserved) && services_.arena.try_charge(*reserved);
}

Result<size_t> FileData::write(uint64_t offset, std::span<const std::byte> data) {
  if (data.empty()) return size_t{0};
  Extent extent{offset, offset + data.size()};
  services_.counters.app_write_bytes.fetch_add(data.size(), std::memory_order_relaxed);
  if (auto admitted = services_.dirty.admit(data.size()); !admitted) return fail(admitted.error());
  for (;;) {
    Result<size_t> written = write_through(extent, data);
    if (!written || *written > 0) return written;
    uint64_t reserved = 0;
    if (outgrows(extent) || !reserve(extent, &reserved)) {
      if (auto moved = move_home_to_backing(); !moved) return fail(moved.error());
      continue;
    }
    written = write_tracked(extent, data, reserved);
    if (!written || *written == 0) services_.arena.uncharge(reserved);
    if (!written || *written > 0) return written;
  }
}

Result<size_t> FileData::write_through(Extent extent, std::span<const std::byte> data) {
  ReaderLock shape(shape_);
  {
    MutexLock lock(mutex_);
    if (home_ != Home::backing) return size_t{0};
  }
  auto backing = backing_fd(true);
  if (!backing) return fail(backing.error());
  auto written = sys::write_some_at((*backing)->get(), data, extent.begin);
  if (!written) return written;
  services_.counters.backing_write_bytes.fetch_add(*written, std::memory_order_relaxed);
  MutexLock lock(mutex_);
  size_ = backing_size_ = std::max(size_, extent.begin + *written);
  data_unsynced_ = true;
  enqueue_locked();
  return written;
}

Result<SlotId> FileData::slot_for_writing() {
  {
    MutexLock lock(mutex_);
    if (slot_ != kNoSlot) return slot_;
  }
  auto created = services_.arena.create(inode_->key);
  if (!created) return created;
  MutexLock lock(mutex_);
  if (slot_ == kNoSlot) {
    slot_ = *created;
  } else {
    services_.arena.discard(*created);  // another writer was first
  }
  return slot_;
}

// Room on the backing filesystem for what `extent` newly needs there. The bytes promised.
Result<uint64_t> FileData::promise_space(Extent extent) {
  uint64_t needed = 0;
  {
    MutexLock lock(mutex_);
    Extent grows = extent;
    if (!sparse_) grows.begin = std::min(std::max(grows.begin, backing_size_), grows.end);
    if (dirty_.empty()) {
      needed = page_aligned(grows).length() * !grows.empty();
    } else {
      for (Extent each : dirty_.missing_from(grows)) needed += page_aligned(each).length();
    }
  }
  if (needed == 0) return uint64_t{0};
  auto answer = services_.space.promise(needed);
  if (!answer) return fail(answer.error());
  if (*answer == SpaceGuard::Answer::promised) return needed;
  auto backing = backing_fd(true);
  if (!backing) return fail(backing.error());
  auto allocated = sys::allocate((*backing)->get(), FALLOC_FL_KEEP_SIZE, extent);
  if (!allocated && allocated.error() != Errno{EOPNOTSUPP}) return fail(allocated.error());
  // It stamps the file; nobody else did.
  if (auto known = refresh_version((*backing)->get()); !known) return fail(known.error());
  return uint64_t{0};
}

Result<size_t> FileData::write_tracked(Extent extent, std::span<const std::byte> data,
                                       uint64_t reserved) {
  ReaderLock shape(shape_);
  {
    MutexLock lock(mutex_);
    if (home_ != Home::arena) return size_t{0};
  }
  auto promised = promise_space(extent);
  if (!promised) return fail(promised.error());
  auto give_back = [&](Errno error) -> tl::unexpected<Errno> {
    services_.space.kept(*promised);
    return fail(error);
  };
  auto slot = slot_for_writing();
  if (!slot) return give_back(slot.error());
  auto fd = slot_fd(*slot);
  if (!fd) return give_back(fd.error());
  auto written = sys::write_at((*fd)->get(), data, extent.begin);
  if (!written) return give_back(written.error());
  // The kernel's own stamp of the slot: files changed one after the other, with or without us, have
  // times in that order (multigrain timestamps, Linux 6.13, Documentation/filesystems/
  // multigrain-ts.rst). A clock of ours would be behind or ahead of theirs by a tick.
  auto stamped = sys::stat_fd((*fd)->get());
  if (!stamped) return give_back(stamped.error());
  MutexLock lock(mutex_);
  note_written_locked(extent, sys::to_timestamp(stamped->stx_mtime), reserved, *promised);
  return data.size();
}

void FileData::note_written_locked(Extent extent, Timestamp when, uint64_t reserved,
                                   uint64_t promised) {
  uint64_t overwritten = dirty_.overlap(extent);
  services_.counters.absorbed_bytes.fetch_add(overwritten, std::memory_order_relaxed);
  uint64_t pages_before = pages_.total();
  present_.add(extent);
  pages_.add(page_aligned(extent));
  uint64_t grown = pages_.total() - pages_before;
  if (grown > reserved) services_.arena.charge(grown - reserved);
  if (grown < reserved) services_.arena.uncharge(reserved - grown);
  dirty_.add(extent);
  if (named_) uncommitted_.add(extent);
  promised_ += promised;
  size_ = std::max(size_, extent.end);
  stamp_locked(std::max(when, mtime_));
  services_.arena.note_write(slot_, extent, size_, mtime_);
  recount_locked(false);
  if (services_.dirty.excess() > 0) services_.writeback->nudge();
  enqueue_locked();
}

Result<void> FileData::move_home_to_backing() {
  services_.gate.wait();
  for (;;) {
    if (auto flushed = flush_now(true); !flushed) return flushed;
    WriterLock shape(shape_);
    {
      MutexLock lock(mutex_);
      if (home_ == Home::backing) return {};
      if (!dirty_.empty() || !flushing_.empty() || writing_back_) continue;
    }
    if (auto ready = before_backing_change(nullptr); !ready) return ready;
    MutexLock lock(mutex_);
    discard_slot_locked();
    home_ = Home::backing;
    times_pending_ = false;
    return {};
  }
}

}  // namespace ramfs
