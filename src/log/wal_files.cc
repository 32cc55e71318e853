#include "wal_files.h"

#include <fcntl.h>
#include <rocksdb/file_system.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ramfs/base/mutex.h"
#include "ramfs/os/fault.h"
#include "ramfs/os/fd.h"

namespace ramfs {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr uint64_t kAheadBytes = 512 * 1024;
constexpr uint64_t kSmallSync = 64 * 1024;  // a sync of less than this is dear without room ahead

IOStatus io_error(const std::string& what, const std::string& name, int error) {
  auto text = what + " " + name;
  if (error != ENOSPC && error != EDQUOT) return IOStatus::IOError(text, std::strerror(error));
  return IOStatus::NoSpace(text, std::strerror(error));
}

// One write-ahead log file.
class WalFile : public rocksdb::FSWritableFile {
 public:
  WalFile(std::string name, Fd fd, std::shared_ptr<WalCounters> counters)
      : name_(std::move(name)), fd_(std::move(fd)), counters_(std::move(counters)) {}
  ~WalFile() override { trim(); }

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    if (auto fault = fault_point("log.append"); !fault) {
      return io_error("write to", name_, static_cast<int>(fault.error()));
    }
    MutexLock lock(mutex_);
    auto status = write_locked({data.data(), data.size()}, length_);
    if (status.ok()) length_ += data.size();
    return status;
  }

  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    if (auto fault = fault_point("log.sync"); !fault) {
      return io_error("sync of", name_, static_cast<int>(fault.error()));
    }
    {
      MutexLock lock(mutex_);
      uint64_t since_last = length_ - synced_;
      synced_ = length_;
      if (since_last > 0 && since_last < kSmallSync) grow_ahead_locked();
    }
    if (::fdatasync(fd_.get()) != 0) return io_error("sync of", name_, errno);
    counters_->syncs.fetch_add(1, std::memory_order_relaxed);
    return IOStatus::OK();
  }

  IOStatus Close(const IOOptions&, IODebugContext*) override {
    trim();
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    MutexLock lock(mutex_);
    return length_;
  }

 private:
  IOStatus write_locked(std::string_view data, uint64_t offset)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    counters_->written_bytes.fetch_add(data.size(), std::memory_order_relaxed);
    while (!data.empty()) {
      ssize_t count = ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return io_error("write to", name_, errno);
      data.remove_prefix(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return IOStatus::OK();
  }

  // Writes zeros, not merely allocates: an allocated but unwritten block costs a journal commit at
  // its first sync as well.
  void grow_ahead_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (length_ + kSmallSync <= ahead_) return;
    static const std::vector<char> zeros(kAheadBytes);
    uint64_t start = std::max(length_, ahead_);
    // Out of space is no error here: the file then grows as it is written.
    if (write_locked({zeros.data(), zeros.size()}, start).ok()) ahead_ = start + zeros.size();
  }

  void trim() {
    MutexLock lock(mutex_);
    if (!fd_) return;
    // A tail of zeros that stays does no harm.
    if (ahead_ > length_) (void)!::ftruncate(fd_.get(), static_cast<off_t>(length_));
    fd_.reset();
  }

  const std::string name_;
  Fd fd_;  // closed under mutex_, when nobody writes or syncs any more
  const std::shared_ptr<WalCounters> counters_;
  Mutex mutex_;
  uint64_t length_ ABSL_GUARDED_BY(mutex_) = 0;  // what RocksDB wrote
  uint64_t ahead_ ABSL_GUARDED_BY(mutex_) = 0;   // end of the zeros
  uint64_t synced_ ABSL_GUARDED_BY(mutex_) = 0;  // length_ at the last sync
};

// Any other file of RocksDB: counts, and spares the OPTIONS files, which nobody reads, their sync.
class CountedFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  CountedFile(std::unique_ptr<FSWritableFile>&& file, bool needs_sync,
              std::shared_ptr<WalCounters> counters)
      : FSWritableFileOwnerWrapper(std::move(file)),
        needs_sync_(needs_sync),
        counters_(std::move(counters)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    counters_->written_bytes.fetch_add(data.size(), std::memory_order_relaxed);
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& info, IODebugContext* debug) override {
    counters_->written_bytes.fetch_add(data.size(), std::memory_order_relaxed);
    return FSWritableFileOwnerWrapper::Append(data, options, info, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return needs_sync_ ? FSWritableFileOwnerWrapper::Sync(options, debug) : IOStatus::OK();
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return needs_sync_ ? FSWritableFileOwnerWrapper::Fsync(options, debug) : IOStatus::OK();
  }

 private:
  const bool needs_sync_;
  const std::shared_ptr<WalCounters> counters_;
};

class WalFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit WalFileSystem(std::shared_ptr<WalCounters> counters)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), counters_(std::move(counters)) {}

  const char* Name() const override { return "RamfsLogFiles"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    if (name.ends_with(".log")) {
      Fd fd(::open(name.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
      if (!fd) return io_error("open of", name, errno);
      *result = std::make_unique<WalFile>(name, std::move(fd), counters_);
      return IOStatus::OK();
    }
    std::unique_ptr<rocksdb::FSWritableFile> file;
    auto status = FileSystemWrapper::NewWritableFile(name, options, &file, debug);
    if (!status.ok()) return status;
    bool needs_sync = name.find("/OPTIONS-") == std::string::npos;
    *result = std::make_unique<CountedFile>(std::move(file), needs_sync, counters_);
    return status;
  }

 private:
  const std::shared_ptr<WalCounters> counters_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_wal_file_system(std::shared_ptr<WalCounters> counters) {
  return std::make_shared<WalFileSystem>(std::move(counters));
}

}  // namespace ramfs
