#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "epoch_table.h"
#include "ramfs/base/mutex.h"
#include "ramfs/log/log.h"
#include "store.h"

namespace ramfs {

// Log over LogStore and EpochTable.
//
// Threads: callers, and one of its own that begins and drops epochs, so that no append waits for
// it. Lock order: epochs_mutex_ before mutex_. No write to the store happens under mutex_.
class LogImpl final : public Log {
 public:
  explicit LogImpl(const LogOptions& options);  // throws as Log::open()
  ~LogImpl() override;

  Lsn next_lsn() override;
  Result<void> append(Lsn lsn, const LogRecord& record, Sync sync) override;
  Result<void> sync() override { return store_->sync(); }
  Result<void> forget(const FileKey& file, Lsn upto, Sync sync) override;
  Result<void> replay(const std::function<Result<void>(Lsn, const LogRecord&)>& visit,
                      const std::function<void(const std::string&)>& damaged) override;
  Result<void> clear(Lsn upto) override;
  std::vector<FileKey> oldest_files() const override;
  LogStats stats() const override;

 private:
  static constexpr uint64_t kNumbersAhead = 1 << 24;   // numbers reserved at a time
  static constexpr uint64_t kWorthDropping = 1 << 20;  // bytes, with nothing needed among them

  void check_version();
  void find_entries();
  void begin_session();
  void run(const std::stop_token& stop);
  Result<void> tend(bool idle);
  Result<void> begin_epoch_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(epochs_mutex_);
  Result<bool> drop_epochs_locked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(epochs_mutex_);
  Result<void> put_mark(const FileKey& file, Lsn upto, Sync sync);
  Result<void> reserve_numbers();
  void end_write(Epoch epoch);

  const LogOptions options_;
  const std::unique_ptr<LogStore> store_;

  std::atomic<uint64_t> next_number_{1};
  std::atomic<uint64_t> reserved_{0};  // the store knows that numbers below this may be in use

  std::atomic<uint64_t> records_{0};
  std::atomic<uint64_t> record_bytes_{0};
  std::atomic<uint64_t> stored_bytes_{0};
  std::atomic<uint64_t> writes_{0};  // of any kind; to see that the log is idle

  Mutex epochs_mutex_;  // held while epochs come and go
  mutable Mutex mutex_;
  EpochTable table_ ABSL_GUARDED_BY(mutex_);
  bool work_ ABSL_GUARDED_BY(mutex_) = false;
  bool asleep_ ABSL_GUARDED_BY(mutex_) = false;  // with nothing to watch
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  CondVar wake_;
  std::jthread thread_;  // last: uses all of the above
};

}  // namespace ramfs
