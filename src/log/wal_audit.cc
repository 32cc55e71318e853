#include "wal_audit.h"

#include <fmt/core.h>

#include <iterator>

namespace ramfs {

void WalAudit::on_write(const std::string& file, uint64_t position, uint64_t count,
                        log_format::WalPosition durable, std::vector<Place> places) {
  bool lost_before_first = next_ == 0 && skipped_ && position > 0;
  if (lost_before_first) gaps_.push_back({position - 1, position - 1, file, later_.size()});
  if (next_ != 0 && position > next_) gaps_.push_back({next_, position - 1, file, later_.size()});
  skipped_ = false;
  next_ = position + count;
  settle(static_cast<uint64_t>(durable));
  if (!gaps_.empty()) std::move(places.begin(), places.end(), std::back_inserter(later_));
}

void WalAudit::settle(uint64_t durable) {
  size_t decided = 0;
  while (decided < gaps_.size() && gaps_[decided].first <= durable) {
    const Gap& gap = gaps_[decided];
    damage_.push_back(
        fmt::format("{}: damaged: writes {} to {} cannot be read", gap.file, gap.first, gap.last));
    ++decided;
  }
  if (decided == 0) return;
  // What came between the last decided gap and the next is good.
  size_t good = decided < gaps_.size() ? gaps_[decided].kept : later_.size();
  later_.erase(later_.begin(), later_.begin() + static_cast<ptrdiff_t>(good));
  gaps_.erase(gaps_.begin(), gaps_.begin() + static_cast<ptrdiff_t>(decided));
  for (Gap& gap : gaps_) gap.kept -= good;
}

void WalAudit::on_settled(uint64_t position) {
  std::vector<std::string> reported = std::move(damage_);
  settle(position);
  damage_ = std::move(reported);  // settled gaps are old news
}

std::vector<WalAudit::Place> WalAudit::unpromised() const {
  return gaps_.empty() ? std::vector<Place>{} : later_;
}

}  // namespace ramfs
