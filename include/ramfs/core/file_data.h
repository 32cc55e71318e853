#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ramfs/base/extent_set.h"
#include "ramfs/core/inode.h"
#include "ramfs/core/services.h"

namespace ramfs {

inline constexpr uint64_t kPageMask = 4095;  // tmpfs gives out whole pages

// Where a file's data is authoritative now.
//
//                         a writer makes it outgrow its slot
//      arena ───────────────────────────────────────────────────► backing
//        ▲   (dirty written back, durable; its log records         │
//        │    durably forgotten)                                    │
//        └──────────────────────── last close, all synced ◄────────┘
//
//   arena    writes go to the slot, are tracked and logged; reads come from the slot where it has
//            the bytes, else from the backing file
//   backing  writes go straight to the backing file; nothing of the file is in the arena
enum class Home : uint8_t { arena, backing };

// How the kernel reaches the data of an open file. This version has one way.
enum class Binding : uint8_t { unbound };

// The data of a regular file: what of it is in the arena, what of that is dirty, and what of that
// the log does not have. Invariants, between calls:
//
//   dirty ∪ flushing ⊆ present        only what is in the slot can be newer than the backing file
//   uncommitted ⊆ dirty ∪ flushing    what is clean needs no log
//   present ∖ (dirty ∪ flushing)      equals the backing file, and may be evicted at any time
//   queued for writeback  ⇔  dirty or uncommitted or unsynced
//
// Two locks, always in this order. `shape_` is held shared while bytes are read or written in the
// slot or the backing file, and exclusively by what takes bytes away (truncate, punch, evict,
// change of home). `mutex_` guards the state and is never held across I/O.
//
// Calls are safe from any thread.
class FileData final : public DirtyFile, public std::enable_shared_from_this<FileData> {
 public:
  // `attributes`: the backing file's, now. `named`: false for O_TMPFILE.
  FileData(Services& services, InodePtr inode, const sys::Attributes& attributes,
           bool named = true);
  ~FileData() override;

  const InodePtr& inode() const { return inode_; }
  static Inode::Version version_of(const sys::Attributes& attributes) {
    return {attributes.stx_size, sys::to_timestamp(attributes.stx_mtime)};
  }

  // --- opens
  // Compares the backing file with what we know of it: a direct change drops our clean copy, and is
  // kept beside ours if both changed. False: it had changed, what the kernel caches is stale.
  bool revalidate(const sys::Attributes& attributes);
  void opened();
  void closed();
  // Nothing of it is open, in RAM, dirty or in the log: it can go.
  bool idle() const;

  // --- data
  Result<size_t> read(uint64_t offset, std::span<std::byte> buffer);
  // The bytes written: fewer than given only where the backing filesystem ran full in the middle.
  Result<size_t> write(uint64_t offset, std::span<const std::byte> data);
  Result<void> truncate(uint64_t size);
  Result<void> fallocate(int mode, Extent extent);
  Result<uint64_t> seek(uint64_t offset, int whence);

  // --- durability
  // fsync: what its class promises, and the first error of writeback since the last call.
  Result<void> fsync();
  // Data in log or backing file, durably, whatever the class; metadata is not its business.
  Result<void> make_durable();
  void metadata_changed();  // on the backing filesystem, unsynced
  // Whether set-id bits or capabilities may be there for a write to clear; false once looked for.
  std::atomic<bool> privileges_possible{true};
  void lost_last_name();
  void gained_name();
  // The kernel does not know the file any more: if it has no name, nobody can ask for it again.
  void forgotten();

  // --- DirtyFile
  Result<void> commit_to_log() override;
  Result<bool> copy_to_backing() override;
  Result<void> sync_backing() override;
  void finish_writeback(Result<void> durable) override;
  bool dirty() const override;
  uint64_t disk_order() const override { return inode_->number; }

  // --- placement
  // Copies the backing file into the slot. ENOSPC: the arena has no room; EBUSY: not now.
  Result<void> promote();
  // Drops clean bytes; the bytes of budget freed.
  uint64_t evict();
  bool in_arena() const;  // every byte of the file is in the slot

  // --- what others see
  // Puts what RAM knows better over attributes read from the backing file. False: they are older
  // than our last change of that file, or somebody else changed it; read them again.
  bool overlay(sys::Attributes& attributes) const;
  // Runs `change`, which sets the backing file's mtime (utimens), apart from writeback, which sets
  // it too.
  Result<void> change_mtime(const std::function<Result<void>()>& change);
  FileStatus status() const;

 private:
  struct Piece {  // of a read: where its bytes come from
    Extent extent;
    bool from_slot;
  };
  struct Commit {
    ExtentSet extents;
    LogRecord record;
    Lsn lsn = kNoLsn;
    uint64_t low_water = UINT64_MAX;
    uint64_t flushing_low_water = UINT64_MAX;
    uint64_t flushes_before = 0;
  };

  // file_data.cc
  bool cacheable() const;  // may have a slot at all
  Result<FdLease> slot_fd(SlotId slot) const;
  Result<FdLease> backing_fd(bool write) const;
  void enqueue_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool dirty_locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void recount_locked(bool cleaned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void set_version_locked(const sys::Attributes& attributes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void stamp_locked(Timestamp time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void forget_locked(const ExtentSet& extents) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void lose_name_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void drop_unnamed_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void discard_slot_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result<sys::Attributes> refresh_version(int backing);
  void keep_foreign_copy(int backing);

  // file_data_io.cc
  std::vector<Piece> pieces_locked(Extent window) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result<size_t> read_pieces(const std::vector<Piece>& pieces, SlotId slot, uint64_t offset,
                             std::span<std::byte> buffer);
  bool outgrows(Extent extent) const;
  bool reserve(Extent extent, uint64_t* reserved);
  // These two: 0 where the file's home is not theirs.
  Result<size_t> write_tracked(Extent extent, std::span<const std::byte> data, uint64_t reserved);
  Result<size_t> write_through(Extent extent, std::span<const std::byte> data);
  Result<SlotId> slot_for_writing();
  Result<uint64_t> promise_space(Extent extent);
  void note_written_locked(Extent extent, Timestamp when, uint64_t reserved, uint64_t promised)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result<void> move_home_to_backing();

  // file_data_placement.cc
  Result<void> promote_part(Extent extent, std::span<std::byte> bytes);

  // file_data_shape.cc
  Result<void> undo_change(Errno error);
  void note_backing_changed(int backing);
  Result<void> before_backing_change(const std::function<void(LogRecord&)>& describe);

  // file_data_commit.cc
  bool begin_commit(Commit& commit);
  Result<void> run_commit(Sync sync);
  Result<void> commit_uncommitted(Sync sync);
  Result<void> fill(LogRecord& record, const ExtentSet& extents, SlotId slot);
  void end_commit(const Commit& commit, bool done);
  void wait_for_commits_locked(Lsn upto) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool straight_through_locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result<void> sync_metadata();
  Result<void> flush_now(bool even_unnamed = false);

  // file_data_writeback.cc
  bool begin_writeback(bool even_unnamed);
  Result<bool> copy_out(bool even_unnamed);
  Lsn void_records_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void note_durable_locked(Lsn forgotten) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void file_is_gone();
  void note_failed_locked(Errno error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Result<void> copy_dirty(int backing, SlotId slot);
  bool backing_changed(int backing);

  Services& services_;
  const InodePtr inode_;

  mutable SharedMutex shape_;
  mutable Mutex mutex_;
  CondVar changed_;  // writing_back_, in_flight_

  Home home_ ABSL_GUARDED_BY(mutex_);
  uint64_t opens_ ABSL_GUARDED_BY(mutex_) = 0;
  SlotId slot_ ABSL_GUARDED_BY(mutex_) = kNoSlot;
  ExtentSet present_ ABSL_GUARDED_BY(mutex_);      // bytes that the slot has
  ExtentSet pages_ ABSL_GUARDED_BY(mutex_);        // the same, whole pages: what the arena charges
  ExtentSet dirty_ ABSL_GUARDED_BY(mutex_);        // newer than the backing file
  ExtentSet flushing_ ABSL_GUARDED_BY(mutex_);     // on their way there
  ExtentSet uncommitted_ ABSL_GUARDED_BY(mutex_);  // neither there nor in the log
  uint64_t dirty_counted_ ABSL_GUARDED_BY(mutex_) = 0;  // what the dirty budget has of us
  uint64_t promised_ ABSL_GUARDED_BY(mutex_) = 0;       // what the space guard has of us

  uint64_t size_ ABSL_GUARDED_BY(mutex_);
  uint64_t backing_size_ ABSL_GUARDED_BY(mutex_);
  // The smallest size since the last commit or writeback; replay cuts the file there first, so that
  // a rewritten file never gets the tail of the one before it. What was true when a writeback began
  // goes into the second one, and is over when that is durable: cutting there would then lose what
  // it wrote.
  uint64_t low_water_ ABSL_GUARDED_BY(mutex_) = UINT64_MAX;
  uint64_t flushing_low_water_ ABSL_GUARDED_BY(mutex_) = UINT64_MAX;
  uint64_t flushes_done_ ABSL_GUARDED_BY(mutex_) = 0;
  bool sparse_ ABSL_GUARDED_BY(mutex_);      // the backing file has holes: overwriting allocates
  Timestamp mtime_ ABSL_GUARDED_BY(mutex_);  // these two are true while times_pending_
  Timestamp ctime_ ABSL_GUARDED_BY(mutex_);
  bool times_pending_ ABSL_GUARDED_BY(mutex_) = false;
  Inode::Version version_ ABSL_GUARDED_BY(mutex_);  // the backing file as we left or found it

  Lsn last_lsn_ ABSL_GUARDED_BY(mutex_) = kNoLsn;  // newest log record that is not forgotten
  std::vector<Lsn> in_flight_ ABSL_GUARDED_BY(mutex_);
  uint64_t failed_commits_ ABSL_GUARDED_BY(mutex_) = 0;

  bool writing_back_ ABSL_GUARDED_BY(mutex_) = false;
  Lsn flush_lsn_ ABSL_GUARDED_BY(mutex_) = kNoLsn;  // last_lsn_ when the copy began
  bool queued_ ABSL_GUARDED_BY(mutex_) = false;
  // Changes of name, mode or size on the backing side, and how many of them are durable there. One
  // to begin with: what was done before the first open is not known here.
  uint64_t metadata_changes_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t metadata_synced_ ABSL_GUARDED_BY(mutex_) = 0;
  // Written through or cut, not fsynced; and the same of what a writeback under way took along.
  bool data_unsynced_ ABSL_GUARDED_BY(mutex_) = false;
  bool flushing_through_ ABSL_GUARDED_BY(mutex_) = false;
  bool named_ ABSL_GUARDED_BY(mutex_);
  bool forgotten_ ABSL_GUARDED_BY(mutex_) = false;
  Errno writeback_error_ ABSL_GUARDED_BY(mutex_) = Errno{0};  // not yet reported by fsync
};

}  // namespace ramfs
