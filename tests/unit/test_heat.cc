#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>

#include "ramfs/heat/heat.h"

namespace ramfs {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using Time = std::chrono::steady_clock::time_point;

Time at(int64_t milliseconds) {
  return Time(std::chrono::milliseconds(milliseconds));
}

bool close_to(double left, double right) {
  return std::abs(left - right) <= 1e-9 * std::max({1.0, left, right});
}

// One number per file says the same as the whole history.
TEST(Heat, EqualsTheSumOverAllUses) {
  ASSERT_TRUE(rc::check([] {
    HeatOptions options;
    options.half_life = std::chrono::milliseconds(*rc::gen::inRange(100, 10'000));
    HeatMap map(options);
    auto times = *rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(0, 60'000));
    auto weights = *rc::gen::container<std::vector<int>>(times.size(), rc::gen::inRange(0, 50));
    int64_t now = 60'000 + *rc::gen::inRange(0, 10'000);
    double sum = 0;
    for (size_t use = 0; use < times.size(); ++use) {  // in any order
      double weight = weights[use] / 10.0;
      map.add({InodeId{7}, weight, at(times[use])});
      double age = static_cast<double>(now - times[use]) * 1e6;
      sum += weight * std::exp2(-age / static_cast<double>(options.half_life.count()));
    }
    RC_ASSERT(close_to(map.heat(InodeId{7}, at(now)), sum));
    RC_ASSERT(map.heat(InodeId{8}, at(now)) == 0.0);
  }));
}

TEST(Heat, HalvesInItsHalfLife) {
  HeatMap map({.half_life = seconds(10)});
  EXPECT_DOUBLE_EQ(map.add({InodeId{1}, 4, at(0)}), 4);
  EXPECT_DOUBLE_EQ(map.heat(InodeId{1}, at(10'000)), 2);
  EXPECT_DOUBLE_EQ(map.heat(InodeId{1}, at(20'000)), 1);
}

TEST(Heat, LeavesAGapBetweenPromotingAndDemoting) {
  HeatMap map({.half_life = seconds(10), .promote = 3, .demote = 0.5});
  EXPECT_TRUE(map.worth_demoting(InodeId{1}, at(0)));
  map.add({InodeId{1}, 2.9, at(0)});
  EXPECT_FALSE(map.worth_promoting(InodeId{1}, at(0)));
  EXPECT_FALSE(map.worth_demoting(InodeId{1}, at(0)));
  map.add({InodeId{1}, 0.2, at(0)});
  EXPECT_TRUE(map.worth_promoting(InodeId{1}, at(0)));
  EXPECT_FALSE(map.worth_demoting(InodeId{1}, at(20'000)));
  EXPECT_TRUE(map.worth_demoting(InodeId{1}, at(40'000)));
}

TEST(Heat, OrdersColdestFirst) {
  ASSERT_TRUE(rc::check([] {
    HeatMap map(HeatOptions{});
    std::vector<InodeId> inodes;
    auto weights = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 100));
    for (size_t index = 0; index < weights.size(); ++index) {
      inodes.push_back(InodeId{index + 1});
      if (weights[index] > 0) {
        map.add({inodes.back(), static_cast<double>(weights[index]),
                 at(*rc::gen::inRange(0, 1000'000))});
      }
    }
    Time now = at(1000'000);
    auto sorted = map.coldest_first(inodes, now);
    RC_ASSERT(std::is_permutation(sorted.begin(), sorted.end(), inodes.begin(), inodes.end()));
    RC_ASSERT(std::is_sorted(sorted.begin(), sorted.end(), [&](InodeId left, InodeId right) {
      return map.heat(left, now) < map.heat(right, now);
    }));
  }));
}

TEST(Heat, ForgetsTheColdestWhenThereAreTooMany) {
  ASSERT_TRUE(rc::check([] {
    HeatOptions options;
    options.files_max = *rc::gen::inRange<size_t>(1, 100);
    HeatMap map(options);
    uint64_t files = 2 * options.files_max + 1;
    for (uint64_t file = 1; file <= files; ++file) {
      map.add({InodeId{file},
               static_cast<double>(file % 17 + 1) * 1000 + 1.0 / static_cast<double>(file), at(0)});
      RC_ASSERT(map.size() <= options.files_max);
      RC_ASSERT(map.size() > 0u);
    }
    map.forget(InodeId{files});
    RC_ASSERT(map.heat(InodeId{files}, at(0)) == 0.0);
  }));
}

TEST(Heat, KeepsTheWarmest) {
  HeatOptions options;
  options.files_max = 80;
  HeatMap map(options);
  for (uint64_t file = 1; file <= 81; ++file) {
    map.add({InodeId{file}, static_cast<double>(file * 37 % 81 + 1), at(0)});
  }
  EXPECT_EQ(map.size(), 70u);
  for (uint64_t file = 1; file <= 81; ++file) {
    double heat = static_cast<double>(file * 37 % 81 + 1);
    EXPECT_EQ(map.heat(InodeId{file}, at(0)), heat > 11 ? heat : 0) << file;
  }
}

}  // namespace
}  // namespace ramfs
