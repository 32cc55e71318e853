#include "ramfs/core/file_data.h"

#include <fcntl.h>

#include <algorithm>
#include <ctime>

#include "ramfs/base/logging.h"
#include "ramfs/core/placement.h"

namespace ramfs {
namespace {

constexpr uint64_t kSmall = 1 << 20;

}  // namespace

FileData::FileData(Services& services, InodePtr inode, const sys::Attributes& attributes,
                   bool named)
    : services_(services), inode_(std::move(inode)), named_(named) {
  home_ = cacheable() ? Home::arena : Home::backing;
  size_ = backing_size_ = attributes.stx_size;
  sparse_ = attributes.stx_blocks * 512 < attributes.stx_size;
  version_ = version_of(attributes);
  inode_->set_version(version_);
}

FileData::~FileData() {
  // What is dirty when the daemon ends stays in the arena for the next one.
  MutexLock lock(mutex_);
  if (dirty_.empty() && flushing_.empty()) discard_slot_locked();
}

// Files of other filesystems mounted below the backing directory have no identity in our log. Nor
// have files that can only be found by path: after a rename the path leads elsewhere.
bool FileData::cacheable() const {
  return inode_->device == services_.backing.device() &&
         inode_->key.kind() == FileKey::Kind::handle && !services_.options.read_only;
}

Result<FdLease> FileData::slot_fd(SlotId slot) const {
  return services_.arena.open(slot);
}

Result<FdLease> FileData::backing_fd(bool write) const {
  return services_.files.open(*inode_,
                              write ? InodeFiles::Access::write : InodeFiles::Access::read);
}

// `attributes` may be from before our own last change of the file, so a difference is looked at
// again while nothing of ours can be under way.
bool FileData::revalidate(const sys::Attributes& attributes) {
  if (services_.options.coherence == Coherence::exclusive) return true;
  {
    MutexLock lock(mutex_);
    if (version_of(attributes) == version_ || home_ == Home::backing) return true;
  }
  WriterLock shape(shape_);
  auto backing = backing_fd(false);
  auto now = backing ? sys::stat_fd((*backing)->get()) : fail(backing.error());
  if (!now) return true;
  MutexLock lock(mutex_);
  // While we write to the backing file its version is ours to change.
  if (version_of(*now) == version_ || data_unsynced_ || writing_back_) return true;
  if (!dirty_.empty()) return false;  // writeback keeps their copy
  discard_slot_locked();
  size_ = now->stx_size;
  set_version_locked(*now);
  return false;
}

void FileData::opened() {
  MutexLock lock(mutex_);
  ++opens_;
}

void FileData::closed() {
  MutexLock lock(mutex_);
  --opens_;
  drop_unnamed_locked();
}

// A file without a name dies with its last open. A small one a little later, when the kernel
// forgets it: an open() may be on its way, of a file that others replace all the time.
void FileData::drop_unnamed_locked() {
  if (named_ || opens_ > 0 || writing_back_) return;
  if (!forgotten_ && size_ <= kSmall) return;
  if (!dirty_.empty()) inode_->data_lost = true;
  discard_slot_locked();
}

void FileData::forgotten() {
  MutexLock lock(mutex_);
  forgotten_ = true;
  drop_unnamed_locked();
}

bool FileData::idle() const {
  MutexLock lock(mutex_);
  return opens_ == 0 && slot_ == kNoSlot && !writing_back_ && in_flight_.empty() &&
         last_lsn_ == kNoLsn && !dirty_locked();
}

bool FileData::dirty_locked() const {
  if (!named_) return false;
  return !dirty_.empty() || !flushing_.empty() || data_unsynced_;
}

// Also when the queue still has a file that was cut clean meanwhile: its next turn finds nothing,
// and clears queued_.
bool FileData::dirty() const {
  MutexLock lock(mutex_);
  return queued_ || dirty_locked();
}

void FileData::enqueue_locked() {
  if (queued_ || !dirty_locked()) return;
  queued_ = true;
  services_.writeback->enqueue(shared_from_this());
}

// Brings the mount-wide sums in line with our sets.
void FileData::recount_locked(bool cleaned) {
  uint64_t dirty_now = named_ ? dirty_.total() + flushing_.total() : 0;
  if (dirty_now > dirty_counted_) services_.dirty.add(dirty_now - dirty_counted_);
  if (dirty_now < dirty_counted_) {
    uint64_t less = dirty_counted_ - dirty_now;
    if (cleaned) {
      services_.dirty.cleaned(less);
    } else {
      services_.dirty.discarded(less);
    }
  }
  dirty_counted_ = dirty_now;
  // Promises only shrink here; they grow at promise_space().
  uint64_t needed = dirty_now == 0 ? 0 : promised_;
  if (needed < promised_) services_.space.kept(promised_ - needed);
  promised_ = needed;
}

void FileData::stamp_locked(Timestamp time) {
  mtime_ = ctime_ = time;
  times_pending_ = true;
}

void FileData::set_version_locked(const sys::Attributes& attributes) {
  backing_size_ = attributes.stx_size;
  sparse_ = attributes.stx_blocks * 512 < attributes.stx_size;
  version_ = version_of(attributes);
  inode_->set_version(version_);
}

// These bytes are the slot's no more.
void FileData::forget_locked(const ExtentSet& extents) {
  uint64_t absorbed = 0;
  for (Extent extent : extents) absorbed += dirty_.overlap(extent);
  services_.counters.absorbed_bytes.fetch_add(absorbed, std::memory_order_relaxed);
  for (ExtentSet* set : {&present_, &dirty_, &flushing_, &uncommitted_}) set->remove(extents);
  ExtentSet pages;
  for (Extent each : present_) {
    pages.add({each.begin & ~kPageMask, (each.end + kPageMask) & ~kPageMask});
  }
  services_.arena.uncharge(pages_.total() - pages.total());
  pages_ = std::move(pages);
  recount_locked(false);
}

void FileData::discard_slot_locked() {
  if (slot_ != kNoSlot) services_.arena.discard(slot_);
  slot_ = kNoSlot;
  services_.arena.uncharge(pages_.total());
  uint64_t absorbed = dirty_.total();
  services_.counters.absorbed_bytes.fetch_add(absorbed, std::memory_order_relaxed);
  present_.clear();
  pages_.clear();
  dirty_.clear();
  flushing_.clear();
  uncommitted_.clear();
  recount_locked(false);
}

// Reads how the backing file stands after a change of ours. shape_ is held. The look and the note
// of it are one step, so that of two callers the later look wins; statx(2) of an open file is no
// I/O.
Result<sys::Attributes> FileData::refresh_version(int backing) {
  MutexLock lock(mutex_);
  auto attributes = sys::stat_fd(backing);
  if (attributes) set_version_locked(*attributes);
  return attributes;
}

// Somebody changed the backing file directly while we hold newer bytes of it. Ours will be written
// over theirs; so theirs is copied first, beside it.
void FileData::keep_foreign_copy(int backing) {
  services_.counters.conflicts.fetch_add(1, std::memory_order_relaxed);
  auto path = services_.backing.path_of(backing);
  if (!path) return;
  char stamp[32];
  time_t seconds = ::time(nullptr);
  struct tm parts {};
  ::gmtime_r(&seconds, &parts);
  ::strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &parts);
  std::string copy = *path + ".conflict-" + stamp;
  auto source = sys::reopen(backing, O_RDONLY);
  auto target = sys::open_at(services_.backing.root(), copy.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!source || !target || !sys::copy_all(source->get(), target->get())) {
    if (target) (void)::unlinkat(services_.backing.root(), copy.c_str(), 0);
    log_error("{}: changed directly while RAM holds newer data, and no copy could be kept", *path);
    return;
  }
  log_warn("{}: changed directly while RAM held newer data; the direct version is kept as {}",
           *path, copy);
}

bool FileData::in_arena() const {
  MutexLock lock(mutex_);
  return slot_ != kNoSlot && present_.contains({0, size_});
}

bool FileData::overlay(sys::Attributes& attributes) const {
  Inode::ChangeTime mask = inode_->change_time();
  Timestamp changed = sys::to_timestamp(attributes.stx_ctime);
  if (changed == mask.backing) changed = mask.shown;
  MutexLock lock(mutex_);
  bool newer = !dirty_.empty() || !flushing_.empty();
  bool current = newer || home_ == Home::backing || version_of(attributes) == version_;
  if (newer) {
    attributes.stx_size = size_;
    attributes.stx_blocks += promised_ / 512;
  }
  if (times_pending_) {
    attributes.stx_mtime = sys::to_statx(mtime_);
    changed = std::max(changed, ctime_);
  }
  attributes.stx_ctime = sys::to_statx(changed);
  return current;
}

Result<void> FileData::change_mtime(const std::function<Result<void>()>& change) {
  WriterLock shape(shape_);
  if (auto done = change(); !done) return done;
  auto backing = backing_fd(false);
  if (!backing) return fail(backing.error());
  auto found = sys::stat_fd((*backing)->get());
  if (!found) return fail(found.error());
  MutexLock lock(mutex_);
  set_version_locked(*found);
  if (times_pending_) {
    mtime_ = version_.mtime;
    ctime_ = sys::to_timestamp(found->stx_ctime);
    if (slot_ != kNoSlot) services_.arena.note_size(slot_, size_, mtime_);
  }
  return {};
}

void FileData::metadata_changed() {
  privileges_possible = true;
  MutexLock lock(mutex_);
  ++metadata_changes_;
}

void FileData::lost_last_name() {
  MutexLock lock(mutex_);
  lose_name_locked();
}

void FileData::lose_name_locked() {
  named_ = false;
  // A commit that is under way may still append its record: then the number of that one.
  Lsn upto = last_lsn_;
  for (Lsn lsn : in_flight_) upto = std::max(upto, lsn);
  if (upto != kNoLsn) services_.forgets.forget_when_gone(inode_->key, upto);
  last_lsn_ = kNoLsn;
  uncommitted_.clear();
  drop_unnamed_locked();
  recount_locked(false);
}

void FileData::gained_name() {
  MutexLock lock(mutex_);
  if (named_) return;
  named_ = true;
  uncommitted_ = dirty_;
  recount_locked(false);
  enqueue_locked();
}

FileStatus FileData::status() const {
  MutexLock lock(mutex_);
  FileStatus status;
  status.home = home_ == Home::arena && slot_ != kNoSlot ? "arena" : "backing";
  status.binding = "unbound";
  status.size = size_;
  status.arena_bytes = pages_.total();
  status.dirty_bytes = dirty_.total() + flushing_.total();
  status.uncommitted_bytes = uncommitted_.total();
  status.open_handles = opens_;
  return status;
}

}  // namespace ramfs
