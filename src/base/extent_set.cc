#include "ramfs/base/extent_set.h"

#include <algorithm>
#include <cassert>

namespace ramfs {
namespace {

// The first extent that ends after `offset`: the one that holds it, or the next one.
template <class Extents>
auto first_ending_after(Extents& extents, uint64_t offset) {
  return std::upper_bound(extents.begin(), extents.end(), offset,
                          [](uint64_t value, const Extent& extent) { return value < extent.end; });
}

}  // namespace

void ExtentSet::add(Extent extent) {
  assert(extent.begin <= extent.end);
  if (extent.empty()) return;
  if (extents_.empty() || extents_.back().end < extent.begin) {
    extents_.push_back(extent);
    total_ += extent.length();
    return;
  }
  // Everything that touches the new extent melts into it.
  auto first = std::lower_bound(
      extents_.begin(), extents_.end(), extent.begin,
      [](const Extent& each, uint64_t value) { return each.end < value; });
  auto last = first;
  uint64_t replaced = 0;
  Extent merged = extent;
  for (; last != extents_.end() && last->begin <= extent.end; ++last) {
    merged.begin = std::min(merged.begin, last->begin);
    merged.end = std::max(merged.end, last->end);
    replaced += last->length();
  }
  total_ += merged.length() - replaced;
  if (first == last) {
    extents_.insert(first, merged);
  } else {
    *first = merged;
    extents_.erase(first + 1, last);
  }
}

void ExtentSet::add(const ExtentSet& other) {
  if (empty()) {
    *this = other;
    return;
  }
  for (const Extent& extent : other) add(extent);
}

void ExtentSet::remove(Extent extent) {
  assert(extent.begin <= extent.end);
  if (extent.empty()) return;
  auto first = first_ending_after(extents_, extent.begin);
  if (first == extents_.end() || first->begin >= extent.end) return;
  if (first->begin < extent.begin && first->end > extent.end) {
    Extent tail{extent.end, first->end};
    first->end = extent.begin;
    extents_.insert(first + 1, tail);
    total_ -= extent.length();
    return;
  }
  if (first->begin < extent.begin) {
    total_ -= first->end - extent.begin;
    first->end = extent.begin;
    ++first;
  }
  auto last = first;
  for (; last != extents_.end() && last->end <= extent.end; ++last) total_ -= last->length();
  if (last != extents_.end() && last->begin < extent.end) {
    total_ -= extent.end - last->begin;
    last->begin = extent.end;
  }
  extents_.erase(first, last);
}

void ExtentSet::remove(const ExtentSet& other) {
  for (const Extent& extent : other) {
    if (empty()) return;
    remove(extent);
  }
}

bool ExtentSet::contains(Extent extent) const {
  if (extent.empty()) return true;
  auto holder = first_ending_after(extents_, extent.begin);
  return holder != extents_.end() && holder->begin <= extent.begin && holder->end >= extent.end;
}

bool ExtentSet::intersects(Extent extent) const {
  if (extent.empty()) return false;
  auto first = first_ending_after(extents_, extent.begin);
  return first != extents_.end() && first->begin < extent.end;
}

uint64_t ExtentSet::overlap(Extent extent) const { return within(extent).total(); }

ExtentSet ExtentSet::within(Extent window) const {
  ExtentSet inside;
  for (auto each = first_ending_after(extents_, window.begin);
       each != extents_.end() && each->begin < window.end; ++each) {
    inside.add(Extent{std::max(each->begin, window.begin), std::min(each->end, window.end)});
  }
  return inside;
}

ExtentSet ExtentSet::missing_from(Extent window) const {
  ExtentSet missing;
  uint64_t at = window.begin;
  for (auto each = first_ending_after(extents_, window.begin);
       each != extents_.end() && each->begin < window.end; ++each) {
    if (each->begin > at) missing.add(Extent{at, each->begin});
    at = std::min(each->end, window.end);
  }
  if (at < window.end) missing.add(Extent{at, window.end});
  return missing;
}

}  // namespace ramfs
