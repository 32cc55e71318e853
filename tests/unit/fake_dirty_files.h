#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "ramfs/base/mutex.h"
#include "ramfs/writeback/writeback.h"

namespace ramfs {

class FakeHost final : public WritebackHost {
 public:
  Result<void> sync_log() override {
    ++log_syncs;
    return {};
  }
  Result<void> sync_namespace() override {
    ++namespace_syncs;
    return {};
  }
  Result<void> sync_backing_all() override {
    ++backing_syncs;
    if (sync_fails) return fail(EIO);
    return {};
  }
  uint64_t excess_bytes() override { return excess; }
  uint64_t dirty_bytes() override { return 4711; }

  std::atomic<int> log_syncs{0}, namespace_syncs{0}, backing_syncs{0};
  std::atomic<bool> sync_fails{false};
  std::atomic<uint64_t> excess{0};
};

// A file whose content is a version number: written, copied, durable. It keeps the contract of
// core's files: enqueued when it becomes dirty, and finish_writeback() ends each copy.
class FakeFile final : public DirtyFile, public std::enable_shared_from_this<FakeFile> {
 public:
  explicit FakeFile(uint64_t place = 0) : place_(place) {}

  void write(Writeback& writeback) {
    MutexLock lock(mutex_);
    ++written_;
    if (queued_) return;
    queued_ = true;
    writeback.enqueue(shared_from_this());
  }

  Result<void> commit_to_log() override {
    ++commits;
    return {};
  }
  Result<bool> copy_to_backing() override {
    EXPECT_FALSE(busy_.exchange(true)) << "two threads copy one file";
    ++copies;
    MutexLock lock(mutex_);
    if (durable_ == written_) {
      queued_ = false;
      busy_ = false;
      return false;
    }
    if (copy_fails) {
      busy_ = false;
      return fail(ENOSPC);
    }
    copied_ = written_;
    return true;
  }
  Result<void> sync_backing() override {
    ++syncs;
    return {};
  }
  void finish_writeback(Result<void> durable) override {
    MutexLock lock(mutex_);
    if (durable) durable_ = copied_;
    queued_ = durable_ != written_;
    busy_ = false;
  }
  bool dirty() const override {
    MutexLock lock(mutex_);
    return durable_ != written_;
  }
  uint64_t disk_order() const override { return place_; }
  uint64_t written() const {
    MutexLock lock(mutex_);
    return written_;
  }
  uint64_t durable() const {
    MutexLock lock(mutex_);
    return durable_;
  }

  std::atomic<int> commits{0}, copies{0}, syncs{0};
  std::atomic<bool> copy_fails{false};

 private:
  const uint64_t place_;
  std::atomic<bool> busy_{false};
  mutable Mutex mutex_;
  uint64_t written_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t copied_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t durable_ ABSL_GUARDED_BY(mutex_) = 0;
  bool queued_ ABSL_GUARDED_BY(mutex_) = false;
};
using FakeFilePtr = std::shared_ptr<FakeFile>;

}  // namespace ramfs
