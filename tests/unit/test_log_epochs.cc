#include <thread>

#include "log_fixture.h"

namespace ramfs {
namespace {

using testing::append;
using testing::file_key;
using testing::replay;
using testing::ScratchDirectory;
using testing::write_record;

constexpr uint64_t kMiB = 1 << 20;

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::string noise(size_t size) {
  static uint64_t state = 1;
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

LogOptions small_epochs(const ScratchDirectory& directory) {
  return {
      .directory = directory / "log", .epoch_bytes = kMiB, .idle = std::chrono::milliseconds(50)};
}

// In memory: half a gigabyte goes through.
TEST(LogEpochs, DiskUseStaysBoundedWhileEverythingIsForgottenAsItGoes) {
  ScratchDirectory directory{"/dev/shm"};
  auto log = Log::open({.directory = directory / "log", .epoch_bytes = 4 * kMiB});
  auto data = noise(kMiB);
  uint64_t most = 0;
  for (int i = 0; i < 500; ++i) {
    Lsn lsn = append(*log, write_record(i % 7, data));
    ASSERT_TRUE(log->forget(file_key(i % 7), lsn, Sync::no));
    if (i % 10 == 0) most = std::max(most, log->stats().disk_bytes);
  }
  EXPECT_LT(most, 200 * kMiB);
  EXPECT_TRUE(soon([&] { return log->stats().disk_bytes < 16 * kMiB; })) << log->stats().disk_bytes;
}

TEST(LogEpochs, AnIdleLogWithNothingNeededShrinksToAlmostNothing) {
  ScratchDirectory directory;
  auto log = Log::open(small_epochs(directory));
  Lsn lsn = append(*log, write_record(1, noise(300'000)), Sync::yes);
  EXPECT_GT(log->stats().disk_bytes, 300'000u);
  ASSERT_TRUE(log->forget(file_key(1), lsn, Sync::no));
  EXPECT_TRUE(soon([&] { return log->stats().disk_bytes < 64 * 1024; })) << log->stats().disk_bytes;
}

TEST(LogEpochs, AnOldRecordThatIsNeededKeepsItsEpochAndAllAfterIt) {
  ScratchDirectory directory;
  auto log = Log::open(small_epochs(directory));
  auto data = noise(kMiB / 4);
  Lsn kept = append(*log, write_record(99, "needed"));
  for (int i = 0; i < 20; ++i) {
    Lsn lsn = append(*log, write_record(1, data));
    ASSERT_TRUE(log->forget(file_key(1), lsn, Sync::no));
  }
  ASSERT_TRUE(soon([&] { return log->stats().epochs > 1; }));
  EXPECT_EQ(log->oldest_files(), std::vector<FileKey>{file_key(99)});
  log.reset();

  log = Log::open(small_epochs(directory));
  auto found = replay(*log);
  EXPECT_EQ(found.records, (std::map<Lsn, std::string>{{kept, "needed"}}));
  ASSERT_TRUE(log->forget(file_key(99), kept, Sync::no));
  append(*log, write_record(2, "wakes it"));
  EXPECT_TRUE(soon([&] { return log->stats().epochs == 1; }));
  EXPECT_TRUE(log->oldest_files().empty());
}

TEST(LogEpochs, ReplayMergesEpochsInOrderOfNumber) {
  ScratchDirectory directory;
  auto log = Log::open(small_epochs(directory));
  std::map<Lsn, std::string> expected;
  for (int i = 0; i < 40; ++i) {
    auto data = noise(kMiB / 8);
    Lsn lsn = append(*log, write_record(i, data));
    expected[lsn] = data;
  }
  ASSERT_TRUE(soon([&] { return log->stats().epochs > 1; }));
  log.reset();
  log = Log::open(small_epochs(directory));
  auto found = replay(*log);
  EXPECT_TRUE(found.in_order);
  EXPECT_EQ(found.records, expected);
}

TEST(LogEpochs, ALogThatOutgrowsItsMemoryIsStillReplayedWhole) {
  ScratchDirectory directory{"/dev/shm"};
  auto log = Log::open(small_epochs(directory));
  auto data = noise(kMiB);
  for (int i = 0; i < 150; ++i) append(*log, write_record(i, data));
  ASSERT_TRUE(log->sync());
  log.reset();
  log = Log::open(small_epochs(directory));
  EXPECT_EQ(replay(*log).records.size(), 150u);
}

}  // namespace
}  // namespace ramfs
