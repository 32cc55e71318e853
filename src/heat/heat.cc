#include "ramfs/heat/heat.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ramfs {
namespace {

using Time = std::chrono::steady_clock::time_point;

// What is left of 1 after `age`; a future use counts as one of now.
double remaining(std::chrono::nanoseconds age, std::chrono::nanoseconds half_life) {
  if (age.count() <= 0) return 1;
  if (half_life.count() <= 0) return 0;
  return std::exp2(-static_cast<double>(age.count()) / static_cast<double>(half_life.count()));
}

}  // namespace

double HeatMap::decayed(const Entry& entry, Time now) const {
  return entry.heat * remaining(now - entry.when, options_.half_life);
}

double HeatMap::add(const Use& use) {
  auto [found, is_new] = entries_.try_emplace(use.inode, Entry{0, use.when});
  Entry& entry = found->second;
  if (use.when >= entry.when) {
    entry.heat = decayed(entry, use.when) + use.weight;
    entry.when = use.when;
  } else {  // uses of several threads may arrive out of order
    entry.heat += use.weight * remaining(entry.when - use.when, options_.half_life);
  }
  double heat = entry.heat;
  if (is_new && entries_.size() > options_.files_max) shed(use.when);
  return heat;
}

double HeatMap::heat(InodeId inode, Time now) const {
  auto found = entries_.find(inode);
  return found == entries_.end() ? 0 : decayed(found->second, now);
}

bool HeatMap::worth_promoting(InodeId inode, Time now) const {
  return heat(inode, now) >= options_.promote;
}

bool HeatMap::worth_demoting(InodeId inode, Time now) const {
  return heat(inode, now) < options_.demote;
}

void HeatMap::forget(InodeId inode) {
  entries_.erase(inode);
}

std::vector<InodeId> HeatMap::coldest_first(std::vector<InodeId> inodes, Time now) const {
  std::vector<std::pair<double, InodeId>> by_heat;
  by_heat.reserve(inodes.size());
  for (InodeId inode : inodes) by_heat.emplace_back(heat(inode, now), inode);
  std::sort(by_heat.begin(), by_heat.end());
  std::transform(by_heat.begin(), by_heat.end(), inodes.begin(),
                 [](const auto& item) { return item.second; });
  return inodes;
}

// Forgets the coldest eighth more than needed, so that a stream of new files does not cost a search
// each.
void HeatMap::shed(Time now) {
  size_t keep = options_.files_max - options_.files_max / 8;
  std::vector<std::pair<double, InodeId>> by_heat;
  by_heat.reserve(entries_.size());
  for (const auto& [inode, entry] : entries_) by_heat.emplace_back(decayed(entry, now), inode);
  auto first_kept = by_heat.end() - static_cast<std::ptrdiff_t>(keep);
  std::nth_element(by_heat.begin(), first_kept, by_heat.end());
  for (auto item = by_heat.begin(); item != first_kept; ++item) entries_.erase(item->second);
}

}  // namespace ramfs
