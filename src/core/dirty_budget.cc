#include "ramfs/core/dirty_budget.h"

#include <algorithm>
#include <cassert>

namespace ramfs {
namespace {

using std::chrono::duration;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr auto kGiveUp = seconds(60);  // with no progress and a failing device
constexpr auto kLongestDelay = seconds(1);
constexpr double kSlowest = 1e6;  // bytes a second; below it a measurement is not believed

}  // namespace

nanoseconds DirtyBudget::delay_locked(uint64_t bytes) const {
  if (bytes_ <= soft_) return nanoseconds(0);
  double fullness = static_cast<double>(bytes_ - soft_) /
                    static_cast<double>(std::max<uint64_t>(hard_ - soft_, 1));
  double wait = static_cast<double>(bytes) / std::max(rate_, kSlowest) * 2 * fullness;
  auto delay = std::chrono::duration_cast<nanoseconds>(duration<double>(wait));
  return std::min<nanoseconds>(delay, kLongestDelay);
}

Result<void> DirtyBudget::admit(uint64_t bytes) {
  MutexLock lock(mutex_);
  if (bytes_ <= soft_) return {};
  auto started = steady_clock::now();
  auto wake = started + delay_locked(bytes);
  uint64_t seen = bytes_;
  while (bytes_ > soft_) {
    auto now = steady_clock::now();
    bool below_hard = bytes_ < hard_;
    if (below_hard && now >= wake) return {};
    if (bytes_ < seen) started = now;  // progress
    seen = bytes_;
    if (error_ != Errno{0} && now - started > kGiveUp) return fail(error_);
    fewer_.wait_for(mutex_, below_hard ? nanoseconds(wake - now) : nanoseconds(kLongestDelay));
  }
  return {};
}

void DirtyBudget::add(uint64_t bytes) {
  MutexLock lock(mutex_);
  if (bytes_ == 0) {
    measured_ = steady_clock::now();
    cleaned_ = 0;
  }
  bytes_ += bytes;
}

void DirtyBudget::shrink_locked(uint64_t bytes) {
  assert(bytes <= bytes_);
  bytes_ -= std::min(bytes, bytes_);
  fewer_.notify_all();
}

void DirtyBudget::cleaned(uint64_t bytes) {
  MutexLock lock(mutex_);
  error_ = Errno{0};
  cleaned_ += bytes;
  auto now = steady_clock::now();
  double elapsed = duration<double>(now - measured_).count();
  if (elapsed > 0.2) {
    rate_ = 0.7 * rate_ + 0.3 * static_cast<double>(cleaned_) / elapsed;
    cleaned_ = 0;
    measured_ = now;
  }
  shrink_locked(bytes);
}

void DirtyBudget::discarded(uint64_t bytes) {
  MutexLock lock(mutex_);
  shrink_locked(bytes);
}

void DirtyBudget::failed(Errno error) {
  MutexLock lock(mutex_);
  error_ = error;
}

uint64_t DirtyBudget::bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

uint64_t DirtyBudget::excess() const {
  MutexLock lock(mutex_);
  uint64_t target = soft_ / 4 * 3;
  return bytes_ > soft_ ? bytes_ - target : 0;
}

}  // namespace ramfs
