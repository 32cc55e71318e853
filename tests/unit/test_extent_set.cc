#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <bitset>

#include "ramfs/base/extent_set.h"

namespace ramfs {
namespace {

constexpr uint64_t kBytes = 96;

Extent some_extent() {
  auto a = *rc::gen::inRange<uint64_t>(0, kBytes);
  auto b = *rc::gen::inRange<uint64_t>(0, kBytes);
  return {std::min(a, b), std::max(a, b)};
}

std::bitset<kBytes> bits(const ExtentSet& set) {
  std::bitset<kBytes> result;
  for (Extent extent : set) {
    for (uint64_t at = extent.begin; at < extent.end; ++at) result.set(at);
  }
  return result;
}

void check_shape(const ExtentSet& set) {
  uint64_t total = 0;
  uint64_t previous_end = 0;
  bool first = true;
  for (Extent extent : set) {
    RC_ASSERT(extent.begin < extent.end);
    RC_ASSERT(first || extent.begin > previous_end);
    first = false;
    previous_end = extent.end;
    total += extent.length();
  }
  RC_ASSERT(total == set.total());
}

// An extent set answers as a set of single bytes would.
TEST(ExtentSet, BehavesAsASetOfBytes) {
  ASSERT_TRUE(rc::check([] {
    ExtentSet set;
    std::bitset<kBytes> model;
    for (int step = 0; step < 24; ++step) {
      Extent extent = some_extent();
      bool add = *rc::gen::arbitrary<bool>();
      if (add)
        set.add(extent);
      else
        set.remove(extent);
      for (uint64_t at = extent.begin; at < extent.end; ++at) model.set(at, add);
      check_shape(set);
      RC_ASSERT(bits(set) == model);

      Extent window = some_extent();
      std::bitset<kBytes> mask = bits(ExtentSet(window));
      RC_ASSERT(bits(set.within(window)) == (model & mask));
      RC_ASSERT(bits(set.missing_from(window)) == (~model & mask));
      RC_ASSERT(set.overlap(window) == (model & mask).count());
      RC_ASSERT(set.contains(window) == ((~model & mask).none()));
      RC_ASSERT(set.intersects(window) == (model & mask).any());
      check_shape(set.within(window));
      check_shape(set.missing_from(window));
    }
  }));
}

TEST(ExtentSet, AddsAndRemovesWholeSets) {
  ASSERT_TRUE(rc::check([] {
    ExtentSet left, right;
    for (int step = 0; step < 8; ++step) {
      left.add(some_extent());
      right.add(some_extent());
    }
    ExtentSet sum = left, difference = left;
    sum.add(right);
    difference.remove(right);
    RC_ASSERT(bits(sum) == (bits(left) | bits(right)));
    RC_ASSERT(bits(difference) == (bits(left) & ~bits(right)));
  }));
}

}  // namespace
}  // namespace ramfs
