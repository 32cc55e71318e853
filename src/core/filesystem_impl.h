#pragma once

#include <absl/container/flat_hash_set.h>

#include <atomic>
#include <memory>

#include "ramfs/core/attributes.h"
#include "ramfs/core/directories.h"
#include "ramfs/core/file_data.h"
#include "ramfs/core/file_hooks.h"
#include "ramfs/core/file_table.h"
#include "ramfs/core/filesystem.h"
#include "ramfs/core/names.h"
#include "ramfs/core/placement.h"
#include "ramfs/core/recovery.h"
#include "ramfs/core/services.h"

namespace ramfs {

// An open file: what a Handle stands for.
struct OpenFile {
  std::shared_ptr<FileData> data;
  int flags;

  bool writes_are_synced() const;  // O_SYNC or O_DSYNC
};

// The parts of the filesystem, in the order in which they need each other.
struct Filesystem::Impl final : FileHooks, WritebackHost {
  Impl(const CoreOptions& chosen, Backing& backing, Arena& arena, Log& log);
  ~Impl() override;

  // --- FileHooks
  void overlay(const Inode& inode, sys::Attributes& attributes) override;
  Result<void> before_publish(const InodePtr& source) override;
  Result<void> before_rename(const InodePtr& source) override;
  void lost_last_name(const InodePtr& inode) override;
  void gained_name(const InodePtr& inode) override;
  void metadata_changed(const InodePtr& inode) override;
  void namespace_changed() override { names_unsynced = true; }
  uint64_t promised_bytes() override { return space.promised_bytes(); }

  // --- WritebackHost
  Result<void> sync_log() override { return forgets.sync(); }
  Result<void> sync_namespace() override;
  Result<void> sync_backing_all() override { return sys::sync_filesystem(services.backing.root()); }
  uint64_t excess_bytes() override;
  uint64_t dirty_bytes() override { return dirty.bytes(); }

  // --- open files
  Handle hand_out(std::shared_ptr<FileData> data, int flags);
  static OpenFile& open_file(Handle handle) { return *reinterpret_cast<OpenFile*>(handle); }
  Result<Created> finish_create(const Inode* parent, const char* name, Fd fd, int flags);
  void drop_kernel_attributes(InodeId id);
  Result<void> clear_privileges(FileData& data, bool kill_suid_sgid);
  Result<InodePtr> find_path(const std::string& path);

  const CoreOptions options;
  InodeTable table;
  InodeFiles files;
  DirtyBudget dirty;
  SpaceGuard space;
  Counters counters;
  RecoveryGate gate;
  LastError last_error;
  UnsyncedForgets forgets;
  Services services;
  FileTable file_table;
  Names names;
  AttributeStore attributes;
  Directories directories;
  std::atomic<bool> names_unsynced{false};
  Mutex handles_mutex;
  // Given out and not released: after a lazy unmount some never are.
  absl::flat_hash_set<OpenFile*> handles ABSL_GUARDED_BY(handles_mutex);
  std::unique_ptr<Placement> placement;
  std::unique_ptr<Writeback> writeback;
  std::unique_ptr<Recovery> recovery;
};

}  // namespace ramfs
