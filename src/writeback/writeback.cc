#include "ramfs/writeback/writeback.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include <concurrentqueue/concurrentqueue.h>
#include <fmt/core.h>

#include "ramfs/base/logging.h"
#include "ramfs/base/mutex.h"
#include "ramfs/base/units.h"
#include "ramfs/os/fault.h"
#include "writeback/dirty_queue.h"
#include "writeback/wakeup.h"

namespace ramfs {
namespace {

using Clock = DirtyQueue::Clock;
using Outcome = DirtyQueue::Outcome;

constexpr size_t kBatch = 256;
constexpr size_t kYoungBatch = 16;  // the watermark may be reached again after a few
constexpr size_t kSyncSingly = 8;   // more files than this are cheaper to sync all at once
constexpr auto kProgressEvery = std::chrono::milliseconds(250);
constexpr auto kShortest = std::chrono::milliseconds(1);

}  // namespace

struct Writeback::Impl {
  Impl(const WritebackOptions& given, WritebackHost& its_host);
  ~Impl();

  struct Enqueued {
    DirtyFilePtr file;
    Clock::time_point when;
  };

  void absorb() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void wait_while_held() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void settle(const DirtyFilePtr& file, Outcome outcome, Errno error = Errno{0});
  void run_commits();
  void commit_all();
  void run_writeback();
  void write_back(std::vector<DirtyFilePtr> batch);
  std::vector<DirtyFilePtr> copy(const std::vector<DirtyFilePtr>& batch);
  void finish(const DirtyFilePtr& file, Result<void> durable);

  const WritebackOptions options;
  WritebackHost& host;
  // Files on their way into the queue: enqueue() is called under core's locks and must not wait.
  moodycamel::ConcurrentQueue<Enqueued> arrivals;
  Wakeup work;
  std::atomic<bool> stopping{false};
  std::atomic<uint64_t> failures{0};

  Mutex mutex;
  CondVar settled;      // a file was settled, or release(), or stopping
  CondVar commit_wake;  // stopping
  DirtyQueue queue ABSL_GUARDED_BY(mutex);
  bool held ABSL_GUARDED_BY(mutex) = false;
  bool commit_failing = false;  // the commit thread's own
  std::vector<std::thread> threads;
};

Writeback::Impl::Impl(const WritebackOptions& given, WritebackHost& its_host)
    : options(given), host(its_host), queue(given) {
  auto start = [this](const std::string& name, void (Impl::*run)()) {
    threads.emplace_back([this, run] { (this->*run)(); });
    ::pthread_setname_np(threads.back().native_handle(), name.c_str());
  };
  start("commit", &Impl::run_commits);
  for (unsigned number = 0; number < std::max(1u, options.threads); ++number) {
    start(fmt::format("writeback{}", number), &Impl::run_writeback);
  }
}

Writeback::Impl::~Impl() {
  {
    MutexLock lock(mutex);
    stopping = true;
    settled.notify_all();
    commit_wake.notify_all();
  }
  work.close();
  for (std::thread& thread : threads) thread.join();
}

void Writeback::Impl::absorb() {
  std::array<Enqueued, 64> some;
  while (size_t count = arrivals.try_dequeue_bulk(some.begin(), some.size())) {
    for (size_t index = 0; index < count; ++index) {
      queue.add(std::move(some[index].file), some[index].when);
    }
  }
}

void Writeback::Impl::wait_while_held() {
  while (held && !stopping) settled.wait(mutex);
}

void Writeback::Impl::settle(const DirtyFilePtr& file, Outcome outcome, Errno error) {
  if (outcome == Outcome::failed) ++failures;
  DirtyFilePtr last;
  MutexLock lock(mutex);
  absorb();
  last = queue.settle(file, outcome, error, Clock::now());
  settled.notify_all();
}

void Writeback::Impl::run_commits() {
  auto interval = std::max<Clock::duration>(options.commit_interval, kShortest);
  Clock::time_point next = Clock::now() + interval;
  while (!stopping) {
    {
      MutexLock lock(mutex);
      Clock::time_point now = Clock::now();
      if (!stopping && now < next) {
        commit_wake.wait_for(mutex, next - now);
        continue;
      }
    }
    if (stopping) return;
    commit_all();
    next = Clock::now() + interval;
  }
}

void Writeback::Impl::commit_all() {
  std::vector<DirtyFilePtr> files;
  {
    MutexLock lock(mutex);
    absorb();
    files = queue.files();
  }
  Errno first_error{0};
  auto note = [&](const Result<void>& result) {
    if (!result && first_error == Errno{0}) first_error = result.error();
  };
  for (const DirtyFilePtr& file : files) {
    if (stopping) return;
    note(file->commit_to_log());
  }
  note(fault_point("commit.logged"));
  note(host.sync_log());
  note(host.sync_namespace());
  bool failing = first_error != Errno{0};
  if (failing && !commit_failing) {
    log_error("commit failed, will be tried again every {}: {}",
              format_time(options.commit_interval), std::strerror(static_cast<int>(first_error)));
  } else if (!failing && commit_failing) {
    log_info("commit works again");
  }
  commit_failing = failing;
}

// An arriving file wakes nobody, it is not due yet: so nobody sleeps longer than the shortest time
// after which one may be. (If that is very short, arrivals do wake; see enqueue().)
void Writeback::Impl::run_writeback() {
  while (!stopping) {
    bool young = host.excess_bytes() > 0;
    std::vector<DirtyFilePtr> batch;
    Clock::time_point now = Clock::now();
    Clock::time_point deadline =
        now + std::max<Clock::duration>(options.writeback_age, std::chrono::seconds(1));
    {
      MutexLock lock(mutex);
      absorb();
      if (!held) {
        batch = queue.take(now, young, young ? kYoungBatch : kBatch);
        deadline = std::min(deadline, queue.next_due());
      }
    }
    if (batch.empty()) {
      work.wait_until(deadline);
      continue;
    }
    if (deadline <= now || young) work.signal();  // there is more: another thread may help
    write_back(std::move(batch));
  }
}

// Copies them all; those that then need a sync are returned, the others are settled.
std::vector<DirtyFilePtr> Writeback::Impl::copy(const std::vector<DirtyFilePtr>& batch) {
  std::vector<DirtyFilePtr> copied;
  for (const DirtyFilePtr& file : batch) {
    if (stopping) {
      settle(file, Outcome::untouched);
      continue;
    }
    Result<bool> result = file->copy_to_backing();
    if (!result) {
      settle(file, Outcome::failed, result.error());
    } else if (!*result) {
      settle(file, Outcome::nothing);
    } else {
      copied.push_back(file);
    }
  }
  return copied;
}

void Writeback::Impl::finish(const DirtyFilePtr& file, Result<void> durable) {
  file->finish_writeback(durable);
  if (!durable) {
    settle(file, Outcome::failed, durable.error());
  } else {
    settle(file, file->dirty() ? Outcome::dirty : Outcome::clean);
  }
}

void Writeback::Impl::write_back(std::vector<DirtyFilePtr> batch) {
  std::sort(batch.begin(), batch.end(), [](const auto& left, const auto& right) {
    return left->disk_order() < right->disk_order();
  });
  std::vector<DirtyFilePtr> copied = copy(batch);
  if (copied.empty()) return;
  Result<void> reached = fault_point("writeback.batch_copied");
  bool together = copied.size() > kSyncSingly;
  if (reached && together) reached = host.sync_backing_all();
  if (reached && together) reached = fault_point("writeback.synced");
  for (const DirtyFilePtr& file : copied) {
    Result<void> durable = reached;
    if (durable && !together) durable = file->sync_backing();
    if (durable && !together) durable = fault_point("writeback.synced");
    finish(file, durable);
  }
}

Writeback::Writeback(const WritebackOptions& options, WritebackHost& host)
    : impl_(std::make_unique<Impl>(options, host)) {}

Writeback::~Writeback() = default;

void Writeback::enqueue(DirtyFilePtr file) {
  impl_->arrivals.enqueue({std::move(file), Clock::now()});
  if (impl_->options.writeback_age < std::chrono::seconds(1)) impl_->work.signal();
}

void Writeback::nudge() {
  impl_->work.signal();
}

Result<void> Writeback::flush_all(const std::function<void(const WritebackProgress&)>& progress) {
  Flush flush;
  MutexLock lock(impl_->mutex);
  impl_->absorb();
  impl_->queue.start_flush(flush);
  impl_->work.signal();
  Clock::time_point next_report = Clock::now() + kProgressEvery;
  while (!flush.left.empty() && !impl_->stopping) {
    Clock::time_point now = Clock::now();
    if (now < next_report) {
      impl_->settled.wait_for(impl_->mutex, next_report - now);
      continue;
    }
    next_report = now + kProgressEvery;
    size_t files_left = flush.left.size();
    MutexUnlock unlock(impl_->mutex);
    if (progress) progress({files_left, impl_->host.dirty_bytes()});
  }
  impl_->queue.end_flush(flush);
  if (!flush.left.empty()) return fail(ECANCELED);
  if (flush.first_error) return fail(*flush.first_error);
  return {};
}

Result<void> Writeback::flush(const DirtyFilePtr& file) {
  {
    MutexLock lock(impl_->mutex);
    impl_->absorb();
    impl_->wait_while_held();
    while (!impl_->queue.take_one(file)) impl_->settled.wait(impl_->mutex);
  }
  Result<void> durable;
  Result<bool> copied = file->copy_to_backing();
  if (!copied) {
    durable = fail(copied.error());
    impl_->settle(file, Outcome::failed, copied.error());
  } else if (!*copied) {
    impl_->settle(file, Outcome::nothing);
  } else {
    durable = file->sync_backing();
    if (durable) durable = fault_point("writeback.synced");
    impl_->finish(file, durable);
  }
  impl_->work.signal();  // it may be due again earlier than the sleepers believe
  return durable;
}

void Writeback::hold() {
  MutexLock lock(impl_->mutex);
  impl_->held = true;
}

void Writeback::release() {
  MutexLock lock(impl_->mutex);
  impl_->held = false;
  impl_->settled.notify_all();
  impl_->work.signal();
}

Writeback::Stats Writeback::stats() const {
  MutexLock lock(impl_->mutex);
  impl_->absorb();
  Clock::time_point now = Clock::now();
  auto age = std::chrono::duration_cast<std::chrono::seconds>(now - impl_->queue.oldest(now));
  return {.files_queued = impl_->queue.size(),
          .oldest_dirty_seconds = static_cast<uint64_t>(age.count()),
          .failures = impl_->failures,
          .failing_files = impl_->queue.failing()};
}

}  // namespace ramfs
