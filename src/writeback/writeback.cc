#include "ramfs/writeback/writeback.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>

#include <concurrentqueue/concurrentqueue.h>
#include <fmt/core.h>

#include "ramfs/base/mutex.h"
#include "ramfs/os/fault.h"
#include "writeback/committer.h"
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
  std::vector<DirtyFilePtr> files();
  size_t wait_for(const Flush& flush);
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
  CondVar settled;  // a file was settled, or release(), or stopping
  DirtyQueue queue ABSL_GUARDED_BY(mutex);
  bool held ABSL_GUARDED_BY(mutex) = false;
  std::vector<std::thread> threads;
  std::optional<Committer> committer;
};

Writeback::Impl::Impl(const WritebackOptions& given, WritebackHost& its_host)
    : options(given), host(its_host), queue(given) {
  for (unsigned number = 0; number < std::max(1u, options.threads); ++number) {
    threads.emplace_back([this] { run_writeback(); });
    ::pthread_setname_np(threads.back().native_handle(),
                         fmt::format("writeback{}", number).c_str());
  }
  committer.emplace(options.commit_interval, host, [this] { return files(); });
}

Writeback::Impl::~Impl() {
  {
    MutexLock lock(mutex);
    stopping = true;
    settled.notify_all();
  }
  work.close();
  committer.reset();
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

std::vector<DirtyFilePtr> Writeback::Impl::files() {
  MutexLock lock(mutex);
  absorb();
  return queue.files();
}

// Until it is time to report: the number of files left, 0 if there is no more to wait for.
size_t Writeback::Impl::wait_for(const Flush& flush) {
  Clock::time_point report = Clock::now() + kProgressEvery;
  MutexLock lock(mutex);
  while (!flush.left.empty() && !stopping) {
    Clock::time_point now = Clock::now();
    if (now >= report) return flush.left.size();
    settled.wait_for(mutex, report - now);
  }
  return 0;
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
  {
    MutexLock lock(impl_->mutex);
    impl_->absorb();
    impl_->queue.start_flush(flush);
  }
  impl_->work.signal();
  while (size_t files_left = impl_->wait_for(flush)) {
    if (progress) progress({files_left, impl_->host.dirty_bytes()});
  }
  MutexLock lock(impl_->mutex);
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
