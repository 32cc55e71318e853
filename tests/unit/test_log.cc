#include <sys/stat.h>

#include <thread>

#include "log_fixture.h"

namespace ramfs {
namespace {

using testing::append;
using testing::file_key;
using testing::replay;
using testing::ScratchDirectory;
using testing::write_record;

TEST(Log, WhatWasAppendedIsReplayedAfterReopeningInOrderOfNumber) {
  ScratchDirectory directory;
  auto log = Log::open({.directory = directory / "log"});
  Lsn first = log->next_lsn();
  Lsn second = log->next_lsn();
  ASSERT_TRUE(log->append(second, write_record(1, "newer"), Sync::no));
  ASSERT_TRUE(log->append(first, write_record(1, "older"), Sync::yes));
  log.reset();

  log = Log::open({.directory = directory / "log"});
  auto found = replay(*log);
  EXPECT_TRUE(found.in_order);
  EXPECT_TRUE(found.damaged.empty());
  EXPECT_EQ(found.records, (std::map<Lsn, std::string>{{first, "older"}, {second, "newer"}}));
  EXPECT_GT(log->next_lsn(), second);
}

TEST(Log, EveryFieldOfARecordComesBack) {
  ScratchDirectory directory;
  LogRecord record{.file = FileKey::from_handle(1, "handle bytes"),
                   .low_water = 17,
                   .size = 1 << 20,
                   .mtime = {123456789},
                   .extents = {{0, 4}, {100, 5000}},
                   .data = {"abcd", std::string(4900, 'x')},
                   .holes = {{8192, 12288}, {20000, 30000}}};
  {
    auto log = Log::open({.directory = directory / "log"});
    append(*log, record, Sync::yes);
  }
  auto log = Log::open({.directory = directory / "log"});
  int seen = 0;
  auto check = [&](Lsn, const LogRecord& found) {
    ++seen;
    EXPECT_EQ(found.file, record.file);
    EXPECT_EQ(found.low_water, record.low_water);
    EXPECT_EQ(found.size, record.size);
    EXPECT_EQ(found.mtime, record.mtime);
    EXPECT_EQ(found.extents, record.extents);
    EXPECT_EQ(found.data, record.data);
    EXPECT_EQ(found.holes, record.holes);
    return Result<void>();
  };
  ASSERT_TRUE(log->replay(check, [](const std::string& line) { ADD_FAILURE() << line; }));
  EXPECT_EQ(seen, 1);
}

TEST(Log, ForgottenRecordsStayAwayAndNewerOnesOfTheSameFileStay) {
  ScratchDirectory directory;
  auto log = Log::open({.directory = directory / "log"});
  append(*log, write_record(1, "gone"));
  Lsn upto = append(*log, write_record(1, "gone too"));
  Lsn newer = append(*log, write_record(1, "kept"));
  Lsn other = append(*log, write_record(2, "another file"));
  ASSERT_TRUE(log->forget(file_key(1), upto, Sync::yes));
  log.reset();

  log = Log::open({.directory = directory / "log"});
  EXPECT_EQ(replay(*log).records,
            (std::map<Lsn, std::string>{{newer, "kept"}, {other, "another file"}}));
}

TEST(Log, ForgettingAFileWithoutRecordsWritesNothing) {
  ScratchDirectory directory;
  auto log = Log::open({.directory = directory / "log"});
  append(*log, write_record(1, "something"), Sync::yes);
  auto before = log->stats();
  ASSERT_TRUE(log->forget(file_key(2), Lsn{1000}, Sync::yes));
  EXPECT_EQ(log->stats().written_bytes, before.written_bytes);
  EXPECT_EQ(log->stats().syncs, before.syncs);
}

TEST(Log, SyncWithNothingUnsyncedDoesNothing) {
  ScratchDirectory directory;
  auto log = Log::open({.directory = directory / "log"});
  append(*log, write_record(1, "unsynced"));
  auto before = log->stats().syncs;
  ASSERT_TRUE(log->sync());
  EXPECT_GT(log->stats().syncs, before);
  before = log->stats().syncs;
  ASSERT_TRUE(log->sync());
  append(*log, write_record(1, "synced"), Sync::yes);
  EXPECT_EQ(log->stats().syncs, before + 1);
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(log->stats().syncs, before + 1);
}

TEST(Log, LiveBytesFallToNothingWhenEverythingIsForgotten) {
  ScratchDirectory directory;
  auto log = Log::open({.directory = directory / "log"});
  EXPECT_EQ(log->stats().live_bytes, 0u);
  Lsn one = append(*log, write_record(1, std::string(1000, 'a')));
  Lsn two = append(*log, write_record(2, std::string(1000, 'b')));
  auto both = log->stats().live_bytes;
  EXPECT_GT(both, 0u);
  ASSERT_TRUE(log->forget(file_key(1), one, Sync::no));
  auto single = log->stats().live_bytes;
  EXPECT_LT(single, both);
  log.reset();
  log = Log::open({.directory = directory / "log"});
  EXPECT_EQ(log->stats().live_bytes, single);
  ASSERT_TRUE(log->forget(file_key(2), two, Sync::no));
  EXPECT_EQ(log->stats().live_bytes, 0u);
}

TEST(Log, ClearLeavesOnlyWhatIsNewer) {
  ScratchDirectory directory;
  auto log = Log::open({.directory = directory / "log"});
  append(*log, write_record(1, "old"), Sync::yes);
  log.reset();
  log = Log::open({.directory = directory / "log"});
  Lsn upto = append(*log, write_record(2, "old, but of this session"));
  Lsn kept = append(*log, write_record(2, "new"));
  ASSERT_TRUE(log->clear(upto));
  log.reset();
  log = Log::open({.directory = directory / "log"});
  EXPECT_EQ(replay(*log).records, (std::map<Lsn, std::string>{{kept, "new"}}));
}

TEST(Log, ConcurrentSyncedAppendsAllArriveAndShareSyncs) {
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  ScratchDirectory directory;
  {
    auto log = Log::open({.directory = directory / "log"});
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&log, i] {
        for (int j = 0; j < kEach; ++j) append(*log, write_record(i, "data"), Sync::yes);
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_LT(log->stats().syncs, uint64_t{kThreads * kEach});
  }
  auto log = Log::open({.directory = directory / "log"});
  EXPECT_EQ(replay(*log).records.size(), size_t{kThreads * kEach});
}

TEST(Log, CompressesWhatShrinksAndCountsIt) {
  ScratchDirectory directory;
  auto log = Log::open({.directory = directory / "log"});
  append(*log, write_record(1, std::string(100'000, 'z')));
  auto stats = log->stats();
  EXPECT_EQ(stats.records, 1u);
  EXPECT_EQ(stats.record_bytes, 100'000u);
  EXPECT_LT(stats.stored_bytes, 5'000u);
}

TEST(Log, TheDirectoryIsForItsOwnerOnly) {
  ScratchDirectory directory;
  auto log = Log::open({.directory = directory / "deep/er/log"});
  struct stat info {};
  ASSERT_EQ(::stat((directory / "deep/er/log").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
}

}  // namespace
}  // namespace ramfs
