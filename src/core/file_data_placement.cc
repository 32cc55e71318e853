#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <memory>

#include "ramfs/core/file_data.h"
#include "ramfs/core/placement.h"

namespace ramfs {
namespace {

constexpr uint64_t kPromoteUnit = 1ull << 20;

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](std::byte each) { return each == std::byte{0}; });
}

}  // namespace

// One unit at a time under the exclusive lock: a writer's newer bytes must never be overwritten by
// older ones from the backing file.
Result<void> FileData::promote() {
  auto buffer = std::make_unique_for_overwrite<std::byte[]>(kPromoteUnit);
  for (uint64_t at = 0;;) {
    WriterLock shape(shape_);
    ExtentSet missing;
    {
      MutexLock lock(mutex_);
      bool suits = home_ == Home::arena && named_ && size_ <= services_.options.slot_max_bytes;
      if (!suits) return fail(EBUSY);
      if (at >= size_) return {};
      missing = present_.missing_from({at, std::min(size_, at + kPromoteUnit)});
    }
    at += kPromoteUnit;
    for (Extent extent : missing) {
      if (auto done = promote_part(extent, {buffer.get(), extent.length()}); !done) return done;
    }
  }
}

Result<void> FileData::promote_part(Extent extent, std::span<std::byte> bytes) {
  uint64_t charge = (extent.length() + 2 * kPageMask) & ~kPageMask;
  if (!services_.arena.try_charge(charge)) return fail(ENOSPC);
  auto copy = [&]() -> Result<SlotId> {
    auto backing = backing_fd(false);
    if (!backing) return fail(backing.error());
    auto count = sys::read_at((*backing)->get(), bytes, extent.begin);
    if (!count) return fail(count.error());
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(*count), bytes.end(), std::byte{0});
    auto slot = slot_for_writing();
    if (!slot) return slot;
    if (all_zero(bytes)) return slot;  // a hole stays a hole
    auto fd = slot_fd(*slot);
    if (!fd) return fail(fd.error());
    if (auto done = sys::write_at((*fd)->get(), bytes, extent.begin); !done) {
      return fail(done.error());
    }
    return slot;
  };
  auto slot = copy();
  MutexLock lock(mutex_);
  uint64_t before = pages_.total();
  if (slot && *slot == slot_) {
    present_.add(extent);
    pages_.add({extent.begin & ~kPageMask, (extent.end + kPageMask) & ~kPageMask});
  }
  services_.arena.uncharge(charge - std::min(charge, pages_.total() - before));
  return slot ? Result<void>{} : fail(slot.error());
}

// Never waits for a file that is in use: another one will do.
uint64_t FileData::evict() {
  if (!shape_.try_lock()) return 0;
  uint64_t freed = 0;
  {
    MutexLock lock(mutex_);
    uint64_t before = pages_.total();
    if (slot_ != kNoSlot && !writing_back_) {
      if (dirty_.empty()) {
        discard_slot_locked();
      } else {
        ExtentSet clean = present_;
        clean.remove(dirty_);
        auto fd = slot_fd(slot_);
        forget_locked(clean);
        for (Extent extent : clean) {
          int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
          if (fd) (void)sys::allocate((*fd)->get(), punch, extent);
        }
      }
    }
    freed = before - pages_.total();
  }
  shape_.unlock();
  return freed;
}

}  // namespace ramfs
