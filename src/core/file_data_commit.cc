#include <algorithm>

#include "ramfs/base/logging.h"
#include "ramfs/core/file_data.h"
#include "ramfs/core/file_table.h"
#include "ramfs/os/fault.h"

namespace ramfs {
namespace {

// More than this of one file is not worth writing twice: it goes straight to the backing file. (The
// ZFS intent log draws the same line, zfs_immediate_write_sz.)
constexpr uint64_t kLoggedMax = 1ull << 20;

}  // namespace

bool FileData::straight_through_locked() const {
  return uncommitted_.total() > kLoggedMax && !services_.gate.closed();
}

// Takes what is uncommitted. shape_ is held shared until end_commit(), so that the bytes stay
// where they are and numbers follow the order of truncates.
bool FileData::begin_commit(Commit& commit) {
  MutexLock lock(mutex_);
  if (uncommitted_.empty()) return false;
  std::swap(commit.extents, uncommitted_);
  commit.lsn = services_.log.next_lsn();
  commit.record.file = inode_->key;
  commit.low_water = low_water_;
  commit.flushing_low_water = flushing_low_water_;
  commit.record.low_water = std::min(low_water_, flushing_low_water_);
  commit.record.size = size_;
  commit.record.mtime = mtime_;
  commit.flushes_before = flushes_done_;
  low_water_ = flushing_low_water_ = UINT64_MAX;
  in_flight_.push_back(commit.lsn);
  return true;
}

Result<void> FileData::fill(LogRecord& record, const ExtentSet& extents, SlotId slot) {
  auto fd = slot_fd(slot);
  if (!fd) return fail(fd.error());
  for (Extent extent : extents) {
    std::string data(extent.length(), '\0');
    auto count = sys::read_at((*fd)->get(), std::as_writable_bytes(std::span(data)), extent.begin);
    if (!count) return fail(count.error());
    if (*count != data.size()) return fail(EIO);  // the slot is shorter than its dirty extents
    record.extents.push_back(extent);
    record.data.push_back(std::move(data));
  }
  return {};
}

void FileData::end_commit(const Commit& commit, bool done) {
  MutexLock lock(mutex_);
  std::erase(in_flight_, commit.lsn);
  changed_.notify_all();
  // Even a failed append may have reached the log.
  if (named_) {
    last_lsn_ = std::max(last_lsn_, commit.lsn);
  } else {
    services_.forgets.forget_when_gone(inode_->key, commit.lsn);
  }
  if (done) return;
  ++failed_commits_;
  // The marks go back to where they were taken from; a flush that is durable since has settled its.
  low_water_ = std::min(low_water_, commit.low_water);
  if (commit.flushes_before == flushes_done_) {
    uint64_t& mark = writing_back_ ? flushing_low_water_ : low_water_;
    mark = std::min(mark, commit.flushing_low_water);
  }
  ExtentSet still_dirty = dirty_;
  still_dirty.add(flushing_);
  for (Extent extent : commit.extents) uncommitted_.add(still_dirty.within(extent));
}

Result<void> FileData::run_commit(Sync sync) {
  auto done = commit_uncommitted(sync);
  if (!done) services_.counters.commit_errors.fetch_add(1, std::memory_order_relaxed);
  services_.file_table->let_go(*this);  // it may have lost its name meanwhile
  return done;
}

Result<void> FileData::commit_uncommitted(Sync sync) {
  ReaderLock shape(shape_);
  Commit commit;
  if (!begin_commit(commit)) return {};
  SlotId slot = kNoSlot;
  {
    MutexLock lock(mutex_);
    slot = slot_;
  }
  Result<void> done = fault_point("commit.begun");
  if (done) done = fill(commit.record, commit.extents, slot);
  if (done) done = services_.log.append(commit.lsn, commit.record, sync);
  if (done) done = fault_point("commit.appended");
  end_commit(commit, done.has_value());
  return done;
}

void FileData::wait_for_commits_locked(Lsn upto) {
  auto pending = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return std::any_of(in_flight_.begin(), in_flight_.end(),
                       [upto](Lsn lsn) { return lsn <= upto; });
  };
  while (pending()) changed_.wait(mutex_);
}

Result<void> FileData::make_durable() {
  uint64_t failures_before = 0;
  bool straight = false;
  {
    MutexLock lock(mutex_);
    failures_before = failed_commits_;
    straight = data_unsynced_ || flushing_through_ || straight_through_locked();
  }
  if (straight) {
    if (auto done = flush_now(); !done) return done;
  }
  if (auto done = run_commit(Sync::yes); !done) return done;
  bool others_failed = false;
  {
    // Extents that another caller took before us are in records that are still on their way.
    MutexLock lock(mutex_);
    Lsn newest = kNoLsn;
    for (Lsn lsn : in_flight_) newest = std::max(newest, lsn);
    wait_for_commits_locked(newest);
    others_failed = failed_commits_ != failures_before;
  }
  if (others_failed) {
    if (auto done = run_commit(Sync::yes); !done) return done;
  }
  // Records of a commit tick, and forgets, may not be synced yet.
  return services_.forgets.sync();
}

Result<void> FileData::commit_to_log() {
  bool straight = false;
  bool through = false;
  {
    MutexLock lock(mutex_);
    if (!named_) return {};
    straight = straight_through_locked();
    through = data_unsynced_;
  }
  Result<void> done = straight || through ? flush_now() : run_commit(Sync::no);
  if (!done) {
    services_.last_error.set(fmt::format("commit: {}", error_text(done.error())));
  }
  return done;
}

// Metadata that fsync must also make durable: the backing filesystem's own business. A file that
// was just made also needs its name: on ext4, XFS and Btrfs its fsync brings that along, elsewhere
// the directory's is needed, and where it is not it costs little.
Result<void> FileData::sync_metadata() {
  uint64_t changes = 0;
  {
    MutexLock lock(mutex_);
    if (metadata_changes_ == metadata_synced_) return {};
    changes = metadata_changes_;
  }
  auto backing = backing_fd(false);
  Result<void> done;
  if (!backing) done = fail(backing.error());
  if (done) done = sys::sync_fd((*backing)->get());
  if (done && !inode_->pinned()) {
    auto parent = services_.table.find(inode_->place().parent);
    if (parent) {
      auto directory = services_.files.open(*parent, InodeFiles::Access::read);
      if (directory) done = sys::sync_fd((*directory)->get());
    }
  }
  // Only now: another caller must not believe it before it is true.
  if (done) {
    MutexLock lock(mutex_);
    metadata_synced_ = std::max(metadata_synced_, changes);
  }
  return done;
}

Result<void> FileData::fsync() {
  bool straight = false;
  Errno earlier{0};
  {
    MutexLock lock(mutex_);
    earlier = std::exchange(writeback_error_, Errno{0});
    bool backing_class = services_.options.durability == Durability::backing;
    straight =
        data_unsynced_ || flushing_through_ || straight_through_locked() ||
        ((backing_class || metadata_changes_ != metadata_synced_) && !services_.gate.closed());
    if (!named_) return {};  // nobody can ever ask for it again
  }
  if (services_.options.durability == Durability::relaxed) {
    return earlier == Errno{0} ? Result<void>{} : fail(earlier);
  }
  Result<void> done;
  if (straight) done = flush_now();
  // Also what was written meanwhile; and what a writeback wrote is durable only if a replay does
  // not undo it.
  if (done) done = make_durable();
  if (done) done = sync_metadata();
  if (done && earlier != Errno{0}) return fail(earlier);
  return done;
}

}  // namespace ramfs
