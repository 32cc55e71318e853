#include <gtest/gtest.h>

#include "../../src/log/wal_audit.h"

namespace ramfs {
namespace {

using log_format::WalPosition;

// Writes of one entry each, in "1.log".
struct Wal {
  WalAudit audit;
  void write(uint64_t position, uint64_t durable) {
    audit.on_write("1.log", position, 1, WalPosition{durable}, {{1, std::to_string(position)}});
  }
  std::vector<std::string> unpromised() const {
    std::vector<std::string> keys;
    for (const auto& place : audit.unpromised()) keys.push_back(place.key);
    return keys;
  }
};

using Keys = std::vector<std::string>;

TEST(WalAudit, AWholeLogHasNothingToReport) {
  Wal wal;
  for (uint64_t i = 10; i < 20; ++i) wal.write(i, i - 1);
  EXPECT_TRUE(wal.audit.damage().empty());
  EXPECT_TRUE(wal.unpromised().empty());
  EXPECT_EQ(wal.audit.last(), 19u);
}

TEST(WalAudit, AMissingWriteThatWasDurableIsDamageAndWhatFollowsIsKept) {
  Wal wal;
  wal.write(1, 0);
  wal.write(3, 2);
  wal.write(4, 3);
  ASSERT_EQ(wal.audit.damage().size(), 1u);
  EXPECT_EQ(wal.audit.damage()[0], "1.log: damaged: writes 2 to 2 cannot be read");
  EXPECT_TRUE(wal.unpromised().empty());
}

TEST(WalAudit, AMissingWriteThatWasNeverDurableTakesAllThatFollowsWithIt) {
  Wal wal;
  wal.write(1, 0);
  wal.write(3, 1);
  wal.write(4, 1);
  EXPECT_TRUE(wal.audit.damage().empty());
  EXPECT_EQ(wal.unpromised(), (Keys{"3", "4"}));
}

TEST(WalAudit, ALaterWriteDecides) {
  Wal wal;
  wal.write(1, 0);
  wal.write(3, 1);
  wal.write(5, 3);  // says that 2 was durable; 4 is still open
  wal.write(6, 3);
  EXPECT_EQ(wal.audit.damage().size(), 1u);
  EXPECT_EQ(wal.unpromised(), (Keys{"5", "6"}));
}

TEST(WalAudit, WhatAnEarlierRecoverySettledIsOldNews) {
  Wal wal;
  wal.write(1, 0);
  wal.write(3, 1);
  wal.audit.on_write("1.log", 4, 2, WalPosition{0}, {});
  wal.audit.on_settled(3);
  wal.write(6, 5);
  EXPECT_TRUE(wal.audit.damage().empty());
  EXPECT_TRUE(wal.unpromised().empty());
}

TEST(WalAudit, BytesSkippedBeforeTheFirstWriteCountAsAGap) {
  Wal wal;
  wal.audit.on_skipped_bytes();
  wal.write(8, 7);
  EXPECT_EQ(wal.audit.damage().size(), 1u);
}

}  // namespace
}  // namespace ramfs
