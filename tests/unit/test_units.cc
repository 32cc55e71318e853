#include <gtest/gtest.h>

#include <stdexcept>

#include "ramfs/base/units.h"

namespace ramfs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Units, SizesArePowersOf1024) {
  EXPECT_EQ(parse_size("4096"), 4096u);
  EXPECT_EQ(parse_size("64K"), 64u << 10);
  EXPECT_EQ(parse_size("1.5G"), 3ull << 29);
  EXPECT_EQ(parse_size("2T"), 2ull << 40);
  EXPECT_EQ(parse_size("25%", 1000), 250u);
}

TEST(Units, BadSizesSayWhatIsAccepted) {
  for (const char* text :
       {"", "-1", "1X", "G", "25%", "1e3", "inf", "nan", "0x10", "99999999T", "1 G"}) {
    EXPECT_THROW(parse_size(text), std::invalid_argument) << text;
  }
}

TEST(Units, TimesAreSecondsUnlessTheySayOtherwise) {
  EXPECT_EQ(parse_time("30"), seconds(30));
  EXPECT_EQ(parse_time("5s"), seconds(5));
  EXPECT_EQ(parse_time("200ms"), milliseconds(200));
  EXPECT_EQ(parse_time("10m"), minutes(10));
  EXPECT_EQ(parse_time("24h"), hours(24));
  for (const char* text : {"", "-5", "5d", "s", "1e400", "99999999999h"}) {
    EXPECT_THROW(parse_time(text), std::invalid_argument) << text;
  }
}

TEST(Units, FormatsForPeople) {
  EXPECT_EQ(format_size(512), "512 B");
  EXPECT_EQ(format_size(3ull << 29), "1.5 GiB");
  EXPECT_EQ(format_time(milliseconds(200)), "200 ms");
  EXPECT_EQ(format_time(seconds(30)), "30 s");
}

}  // namespace
}  // namespace ramfs
