#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "fake_dirty_files.h"
#include "ramfs/writeback/writeback.h"

namespace ramfs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

// Waits for what another thread brings about; the limit only ends a failed test.
template <class Condition>
bool eventually(Condition condition) {
  Clock::time_point limit = Clock::now() + seconds(20);
  while (!condition()) {
    if (Clock::now() > limit) return false;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return true;
}

std::vector<FakeFilePtr> make_files(size_t count) {
  std::vector<FakeFilePtr> files;
  for (size_t index = 0; index < count; ++index) files.push_back(std::make_shared<FakeFile>(index));
  return files;
}

WritebackOptions patient() {
  return {.commit_interval = seconds(1000), .writeback_age = seconds(1000)};
}

TEST(Writeback, WritesAFileBackAtItsAge) {
  FakeHost host;
  Writeback writeback({.commit_interval = seconds(1000), .writeback_age = milliseconds(200)}, host);
  auto file = std::make_shared<FakeFile>();
  Clock::time_point written = Clock::now();
  file->write(writeback);
  ASSERT_TRUE(eventually([&] { return !file->dirty(); }));
  EXPECT_GE(Clock::now() - written, milliseconds(200));
  EXPECT_EQ(file->syncs, 1);
  EXPECT_TRUE(eventually([&] { return writeback.stats().files_queued == 0; }));
  EXPECT_EQ(file.use_count(), 1) << "a clean file is let go";
}

TEST(Writeback, SleepsThroughAWriteAndStillMeetsItsAge) {
  FakeHost host;
  Writeback writeback({.commit_interval = seconds(1000), .writeback_age = milliseconds(1100)},
                      host);
  std::this_thread::sleep_for(milliseconds(300));
  auto file = std::make_shared<FakeFile>();
  Clock::time_point written = Clock::now();
  file->write(writeback);
  ASSERT_TRUE(eventually([&] { return !file->dirty(); }));
  EXPECT_GE(Clock::now() - written, milliseconds(1100));
  EXPECT_LT(Clock::now() - written, milliseconds(1900));
}

TEST(Writeback, CommitsEveryIntervalAndLeavesTheFilesDirty) {
  FakeHost host;
  Writeback writeback({.commit_interval = milliseconds(20), .writeback_age = seconds(1000)}, host);
  auto file = std::make_shared<FakeFile>();
  file->write(writeback);
  ASSERT_TRUE(eventually([&] { return file->commits >= 3 && host.namespace_syncs >= 3; }));
  EXPECT_GE(host.log_syncs, 3);
  EXPECT_TRUE(file->dirty());
  EXPECT_EQ(writeback.stats().files_queued, 1u);
}

TEST(Writeback, WritesYoungFilesBackAboveTheWatermark) {
  FakeHost host;
  Writeback writeback(patient(), host);
  auto files = make_files(100);
  for (auto& file : files) file->write(writeback);
  std::this_thread::sleep_for(milliseconds(30));
  for (auto& file : files) EXPECT_TRUE(file->dirty());
  host.excess = 1;
  writeback.nudge();
  EXPECT_TRUE(eventually([&] {
    return std::none_of(files.begin(), files.end(), [](auto& file) { return file->dirty(); });
  }));
}

TEST(Writeback, SyncsManyFilesAtOnce) {
  FakeHost host;
  Writeback writeback(patient(), host);
  auto files = make_files(100);
  writeback.hold();
  for (auto& file : files) file->write(writeback);
  writeback.release();
  ASSERT_TRUE(writeback.flush_all(nullptr));
  int single = 0;
  for (auto& file : files) {
    EXPECT_FALSE(file->dirty());
    single += file->syncs;
  }
  EXPECT_EQ(single, 0);
  EXPECT_GE(host.backing_syncs, 1);
}

TEST(Writeback, TriesAFailingFileAgainLaterAndLater) {
  FakeHost host;
  WritebackOptions options = patient();
  options.writeback_age = milliseconds(1);
  options.retry_first = milliseconds(20);
  options.retry_most = milliseconds(80);
  Writeback writeback(options, host);
  auto file = std::make_shared<FakeFile>();
  file->copy_fails = true;
  Clock::time_point start = Clock::now();
  file->write(writeback);
  ASSERT_TRUE(eventually([&] { return file->copies >= 6; }));
  // 20 + 40 + 80 + 80 + 80
  EXPECT_GE(Clock::now() - start, milliseconds(300));
  EXPECT_GE(writeback.stats().failures, 5u);
  EXPECT_EQ(writeback.stats().failing_files, 1u);
  EXPECT_TRUE(file->dirty());
  file->copy_fails = false;
  EXPECT_TRUE(eventually([&] { return !file->dirty(); }));
  EXPECT_TRUE(eventually([&] { return writeback.stats().failing_files == 0; }));
}

TEST(Writeback, KeepsEveryFileOfAFailedSync) {
  FakeHost host;
  WritebackOptions options = patient();
  options.retry_first = milliseconds(10);
  Writeback writeback(options, host);
  auto files = make_files(50);
  for (auto& file : files) file->write(writeback);
  host.sync_fails = true;
  auto result = writeback.flush_all(nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), Errno{EIO});
  host.sync_fails = false;
  EXPECT_TRUE(eventually([&] {
    return std::none_of(files.begin(), files.end(), [](auto& file) { return file->dirty(); });
  }));
}

TEST(Writeback, FlushAllTriesEverythingAndReportsTheFirstError) {
  FakeHost host;
  Writeback writeback(patient(), host);
  auto files = make_files(20);
  files[3]->copy_fails = true;
  for (auto& file : files) file->write(writeback);
  EXPECT_EQ(writeback.flush_all(nullptr).error(), Errno{ENOSPC});
  for (auto& file : files) EXPECT_EQ(file->dirty(), file == files[3]);
  files[3]->copy_fails = false;
  EXPECT_TRUE(writeback.flush_all(nullptr)) << "a flush does not wait for the back-off";
  EXPECT_FALSE(files[3]->dirty());
}

TEST(Writeback, WritesNothingBackWhileHeld) {
  FakeHost host;
  WritebackOptions options = patient();
  options.writeback_age = milliseconds(1);
  Writeback writeback(options, host);
  writeback.hold();
  auto file = std::make_shared<FakeFile>();
  file->write(writeback);
  std::atomic<int> reports{0};
  std::thread flusher([&] {
    EXPECT_TRUE(writeback.flush_all([&](const WritebackProgress& progress) {
      EXPECT_EQ(progress.files_left, 1u);
      EXPECT_EQ(progress.bytes_left, 4711u);
      ++reports;
    }));
  });
  EXPECT_TRUE(eventually([&] { return reports >= 2; }));
  EXPECT_EQ(file->copies, 0);
  writeback.release();
  flusher.join();
  EXPECT_FALSE(file->dirty());
}

TEST(Writeback, FlushesOneFileInTheCallersThread) {
  FakeHost host;
  Writeback writeback(patient(), host);
  auto file = std::make_shared<FakeFile>(), other = std::make_shared<FakeFile>();
  file->write(writeback);
  other->write(writeback);
  EXPECT_TRUE(writeback.flush(file));
  EXPECT_FALSE(file->dirty());
  EXPECT_TRUE(other->dirty());
  EXPECT_EQ(writeback.stats().files_queued, 1u);
  file->write(writeback);
  file->copy_fails = true;
  EXPECT_EQ(writeback.flush(file).error(), Errno{ENOSPC});
  EXPECT_EQ(writeback.stats().failing_files, 1u);
}

TEST(Writeback, EndsPromptly) {
  FakeHost host;
  auto files = make_files(1000);
  Clock::time_point start = Clock::now();
  {
    Writeback writeback(patient(), host);
    for (auto& file : files) file->write(writeback);
  }
  EXPECT_LT(Clock::now() - start, seconds(2));
}

// However writers, flushers and failures meet: what flush_all() was asked for is durable when it
// returns, and at the end nothing is left.
TEST(Writeback, LosesNoFileUnderConcurrentWrites) {
  FakeHost host;
  WritebackOptions options{.commit_interval = milliseconds(3),
                           .writeback_age = milliseconds(5),
                           .threads = 3,
                           .retry_first = milliseconds(1),
                           .retry_most = milliseconds(4)};
  Writeback writeback(options, host);
  auto files = make_files(200);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (unsigned writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937 random(writer);
      while (!stop) {
        auto& file = files[random() % files.size()];
        if (random() % 50 == 0) file->copy_fails = random() % 2 == 0;
        file->write(writeback);
        if (random() % 20 == 0) (void)writeback.flush(file);
        if (random() % 100 == 0) std::this_thread::sleep_for(milliseconds(1));
      }
    });
  }
  for (int round = 0; round < 100; ++round) {
    std::this_thread::sleep_for(milliseconds(5));  // the writers go on
    host.excess = round % 2;
    host.sync_fails = round % 5 == 4;
    std::vector<uint64_t> before;
    for (auto& file : files) before.push_back(file->written());
    if (writeback.flush_all(nullptr)) {
      for (size_t index = 0; index < files.size(); ++index) {
        EXPECT_GE(files[index]->durable(), before[index]);
      }
    }
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  host.sync_fails = false;
  for (auto& file : files) file->copy_fails = false;
  EXPECT_TRUE(writeback.flush_all(nullptr));
  for (auto& file : files) EXPECT_FALSE(file->dirty());
  EXPECT_TRUE(eventually([&] { return writeback.stats().files_queued == 0; }));
}

}  // namespace
}  // namespace ramfs
