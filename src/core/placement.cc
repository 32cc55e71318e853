#include "ramfs/core/placement.h"

#include <concurrentqueue/concurrentqueue.h>
#include <pthread.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "ramfs/core/file_data.h"
#include "ramfs/core/file_table.h"
#include "ramfs/heat/heat.h"

namespace ramfs {
namespace {

using std::chrono::steady_clock;

constexpr auto kTick = std::chrono::milliseconds(500);
constexpr auto kDemoteEvery = std::chrono::seconds(10);

HeatOptions heat_options(const CoreOptions& options) {
  HeatOptions heat;
  heat.half_life = options.half_life;
  heat.promote = options.promote;
  heat.demote = options.demote;
  return heat;
}

}  // namespace

struct Placement::Impl {
  explicit Impl(Services& all) : services(all), map(heat_options(all.options)) {}

  void run();
  std::vector<InodeId> take_uses();
  void promote(InodeId id);
  void demote_cold();
  uint64_t evict(const InodePtr& inode);
  std::vector<InodeId> residents_coldest_first();

  Services& services;
  moodycamel::ConcurrentQueue<Use> uses;

  mutable Mutex mutex;
  HeatMap map ABSL_GUARDED_BY(mutex);

  Mutex stop_mutex;
  CondVar stop_wanted;
  bool stopping ABSL_GUARDED_BY(stop_mutex) = false;

  Mutex room_mutex;  // one at a time goes over the residents
  std::thread thread;
};

Placement::Placement(Services& services) : impl_(std::make_unique<Impl>(services)) {
  impl_->thread = std::thread([this] { impl_->run(); });
}

Placement::~Placement() {
  {
    MutexLock lock(impl_->stop_mutex);
    impl_->stopping = true;
    impl_->stop_wanted.notify_all();
  }
  impl_->thread.join();
}

void Placement::note_use(InodeId inode, double weight) {
  impl_->uses.enqueue({inode, weight, steady_clock::now()});
}

double Placement::heat(InodeId inode) const {
  MutexLock lock(impl_->mutex);
  return impl_->map.heat(inode, steady_clock::now());
}

void Placement::Impl::run() {
  ::pthread_setname_np(::pthread_self(), "placement");
  auto next_demotion = steady_clock::now() + kDemoteEvery;
  for (;;) {
    {
      MutexLock lock(stop_mutex);
      if (!stopping) stop_wanted.wait_for(stop_mutex, kTick);
      if (stopping) return;
    }
    for (InodeId id : take_uses()) promote(id);
    if (steady_clock::now() >= next_demotion) {
      demote_cold();
      next_demotion = steady_clock::now() + kDemoteEvery;
    }
  }
}

// Brings the heat up to date; returns the files that were used and are worth RAM.
std::vector<InodeId> Placement::Impl::take_uses() {
  std::vector<InodeId> warm;
  Use use;
  MutexLock lock(mutex);
  while (uses.try_dequeue(use)) {
    map.add(use);
    if (map.worth_promoting(use.inode, use.when)) warm.push_back(use.inode);
  }
  std::sort(warm.begin(), warm.end());
  warm.erase(std::unique(warm.begin(), warm.end()), warm.end());
  return warm;
}

// A newcomer takes free room; it pushes nothing out that is warmer than itself, because make_room
// begins with the coldest and the newcomer has just been used.
void Placement::Impl::promote(InodeId id) {
  InodePtr inode = services.table.find(id);
  auto data = inode ? inode->data() : nullptr;
  if (!data || data->in_arena()) return;
  (void)data->promote();
  services.file_table->let_go(*data);
}

uint64_t Placement::Impl::evict(const InodePtr& inode) {
  auto data = inode ? inode->data() : nullptr;
  if (!data) return 0;
  uint64_t freed = data->evict();
  services.file_table->let_go(*data);
  return freed;
}

void Placement::Impl::demote_cold() {
  for (InodeId id : residents_coldest_first()) {
    {
      MutexLock lock(mutex);
      if (!map.worth_demoting(id, steady_clock::now())) return;
    }
    evict(services.table.find(id));
  }
}

std::vector<InodeId> Placement::Impl::residents_coldest_first() {
  std::vector<InodeId> residents;
  services.table.for_each_with_data([&](const InodePtr& inode) { residents.push_back(inode->id); });
  MutexLock lock(mutex);
  return map.coldest_first(std::move(residents), steady_clock::now());
}

bool Placement::make_room(uint64_t bytes) {
  MutexLock lock(impl_->room_mutex);
  Arena& arena = impl_->services.arena;
  // Some more than asked for, so that the next caller finds room without going over all files.
  uint64_t wanted = std::max(bytes, arena.budget_bytes() / 32);
  auto room = [&] {
    uint64_t used = arena.used_bytes();
    return used < arena.budget_bytes() ? arena.budget_bytes() - used : 0;
  };
  if (room() >= bytes) return true;
  for (InodeId id : impl_->residents_coldest_first()) {
    if (room() >= wanted) break;
    impl_->evict(impl_->services.table.find(id));
  }
  return room() >= bytes;
}

}  // namespace ramfs
