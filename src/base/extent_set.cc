#include "ramfs/base/extent_set.h"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace ramfs {

// The extent that holds `offset`, or the next one.
ExtentSet::Map::const_iterator ExtentSet::first_ending_after(uint64_t offset) const {
  auto next = extents_.upper_bound(offset);
  if (next != extents_.begin()) {
    auto before = std::prev(next);
    if (before->second > offset) return before;
  }
  return next;
}

void ExtentSet::add(Extent extent) {
  assert(extent.begin <= extent.end);
  if (extent.empty()) return;
  auto next = extents_.upper_bound(extent.begin);
  if (next != extents_.begin()) {
    auto before = std::prev(next);
    if (before->second >= extent.end) return;  // all there already
    if (before->second >= extent.begin) {
      extent.begin = before->first;
      next = before;
    }
  }
  // Everything that touches the new extent melts into it.
  auto last = next;
  uint64_t replaced = 0;
  for (; last != extents_.end() && last->first <= extent.end; ++last) {
    extent.end = std::max(extent.end, last->second);
    replaced += last->second - last->first;
  }
  total_ += extent.length() - replaced;
  if (next != last && next->first == extent.begin) {
    next->second = extent.end;
    ++next;
    if (next != last) extents_.erase(next, last);
    return;
  }
  auto after = next == last ? last : extents_.erase(next, last);
  extents_.insert(after, {extent.begin, extent.end});
}

void ExtentSet::add(const ExtentSet& other) {
  if (empty()) {
    *this = other;
    return;
  }
  for (Extent extent : other) add(extent);
}

void ExtentSet::remove(Extent extent) {
  assert(extent.begin <= extent.end);
  if (extent.empty()) return;
  auto found = first_ending_after(extent.begin);
  while (found != extents_.end() && found->first < extent.end) {
    Extent old{found->first, found->second};
    uint64_t cut_begin = std::max(old.begin, extent.begin);
    uint64_t cut_end = std::min(old.end, extent.end);
    total_ -= cut_end - cut_begin;
    extents_.erase(found);
    if (old.begin < cut_begin) extents_.emplace(old.begin, cut_begin);
    if (cut_end < old.end) {
      extents_.emplace(cut_end, old.end);
      return;
    }
    found = first_ending_after(extent.begin);
  }
}

void ExtentSet::remove(const ExtentSet& other) {
  for (Extent extent : other) {
    if (empty()) return;
    remove(extent);
  }
}

bool ExtentSet::contains(Extent extent) const {
  if (extent.empty()) return true;
  auto holder = first_ending_after(extent.begin);
  return holder != extents_.end() && holder->first <= extent.begin && holder->second >= extent.end;
}

bool ExtentSet::intersects(Extent extent) const {
  if (extent.empty()) return false;
  auto first = first_ending_after(extent.begin);
  return first != extents_.end() && first->first < extent.end;
}

uint64_t ExtentSet::overlap(Extent extent) const {
  uint64_t bytes = 0;
  for (auto each = first_ending_after(extent.begin);
       each != extents_.end() && each->first < extent.end; ++each) {
    bytes += std::min(each->second, extent.end) - std::max(each->first, extent.begin);
  }
  return bytes;
}

ExtentSet ExtentSet::within(Extent window) const {
  ExtentSet inside;
  for (auto each = first_ending_after(window.begin);
       each != extents_.end() && each->first < window.end; ++each) {
    inside.add(Extent{std::max(each->first, window.begin), std::min(each->second, window.end)});
  }
  return inside;
}

ExtentSet ExtentSet::missing_from(Extent window) const {
  ExtentSet missing;
  uint64_t at = window.begin;
  for (auto each = first_ending_after(window.begin);
       each != extents_.end() && each->first < window.end; ++each) {
    if (each->first > at) missing.add(Extent{at, each->first});
    at = std::min(each->second, window.end);
  }
  if (at < window.end) missing.add(Extent{at, window.end});
  return missing;
}

Extent ExtentSet::first_from(uint64_t offset) const {
  auto found = first_ending_after(offset);
  if (found == extents_.end()) return {};
  return {std::max(found->first, offset), found->second};
}

}  // namespace ramfs
