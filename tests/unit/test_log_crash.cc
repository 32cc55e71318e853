#include <unistd.h>

#include <fstream>
#include <thread>

#include "log_child.h"

// Deaths, damage, and daemons in each other's way.
namespace ramfs {
namespace {

using testing::append;
using testing::Child;
using testing::Done;
using testing::file_key;
using testing::replay;
using testing::ScratchDirectory;
using testing::write_record;

std::string what_open_says(const LogOptions& options) {
  try {
    auto log = Log::open(options);
    return "opened";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The write-ahead log files, oldest first.
std::vector<std::string> wal_files(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".log") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Flips a bit in the first place where `text` stands in a write-ahead log file.
bool damage(const std::string& directory, const std::string& text) {
  for (const auto& name : wal_files(directory)) {
    std::ifstream in(name, std::ios::binary);
    std::string content{std::istreambuf_iterator<char>(in), {}};
    auto at = content.find(text);
    if (at == std::string::npos) continue;
    std::fstream file(name, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(content[at] ^ 1));
    return true;
  }
  return false;
}

template <class Value>
void tell_parent(const Value& value) {
  int pipe = std::atoi(std::getenv("RAMFS_TEST_PIPE"));
  if (::write(pipe, &value, sizeof(value)) != sizeof(value)) ::_exit(1);
}

TEST(LogCrashChild, DISABLED_AppendsUntilItIsKilled) {
  Sync sync = std::string(std::getenv("RAMFS_TEST_SYNC")) == "yes" ? Sync::yes : Sync::no;
  auto log = Log::open({.directory = std::getenv("RAMFS_TEST_LOG"), .epoch_bytes = 256 * 1024});
  std::vector<std::jthread> threads;
  for (int file = 0; file < 4; ++file) {
    threads.emplace_back([&log, file, sync] {
      for (int i = 1;; ++i) {
        Lsn lsn = log->next_lsn();
        auto number = static_cast<uint64_t>(lsn);
        auto data = std::to_string(number) + std::string(2000, static_cast<char>('a' + i % 20));
        if (!log->append(lsn, write_record(file, data), sync)) ::_exit(1);
        tell_parent(Done{Done::appended, number, file});
        if (i % 50 != 0) continue;
        tell_parent(Done{Done::will_forget, number, file});
        if (!log->forget(file_key(file), lsn, Sync::yes)) ::_exit(1);
        tell_parent(Done{Done::forgot, number, file});
      }
    });
  }
}

TEST(LogCrashChild, DISABLED_AppendsUnsyncedOneByOne) {
  auto log = Log::open({.directory = std::getenv("RAMFS_TEST_LOG"), .epoch_bytes = 4 << 20});
  for (;;) {
    Lsn lsn = log->next_lsn();
    auto number = static_cast<uint64_t>(lsn);
    auto data = std::to_string(number) + std::string(3000, 'x');
    if (!log->append(lsn, write_record(1, data), Sync::no)) ::_exit(1);
    if (number % 100 == 0 && !log->sync()) ::_exit(1);
    tell_parent(number);
  }
}

TEST(LogCrashChild, DISABLED_HoldsTheLog) {
  auto log = Log::open({.directory = std::getenv("RAMFS_TEST_LOG")});
  tell_parent('x');
  ::pause();
}

std::vector<Done> kill_amid_appends(const std::string& directory, Sync sync, size_t appends) {
  Child child("AppendsUntilItIsKilled", directory, sync);
  std::vector<Done> done;
  Done one{};
  while (done.size() < appends && child.read(one)) done.push_back(one);
  child.kill();
  while (child.read(one)) done.push_back(one);
  return done;
}

void check_victim(Sync sync) {
  for (int round = 0; round < 4; ++round) {
    ScratchDirectory directory;
    size_t appends = 100 + 300 * static_cast<size_t>(round);
    auto done = kill_amid_appends(directory / "log", sync, appends);
    ASSERT_GE(done.size(), appends);
    testing::expect_log(directory / "log", testing::expected_after(done));
  }
}

TEST(LogCrash, EverySyncedAppendIsThereAfterTheDaemonWasKilled) {
  check_victim(Sync::yes);
}
TEST(LogCrash, EveryUnsyncedAppendIsThereAfterTheDaemonWasKilled) {
  check_victim(Sync::no);
}

TEST(LogCrash, ABitFlippedInTheMiddleIsNamedAndTheRestIsReplayed) {
  ScratchDirectory directory;
  std::map<Lsn, std::string> expected;
  {
    auto log = Log::open({.directory = directory / "log", .zstd_level = 0});
    for (int i = 0; i < 100; ++i) {
      auto data = "value" + std::to_string(i) + std::string(10'000, 'x');
      expected[append(*log, write_record(i, data), Sync::yes)] = data;
    }
  }
  ASSERT_TRUE(damage(directory / "log", "value50x"));
  auto log = Log::open({.directory = directory / "log"});
  auto found = replay(*log);
  ASSERT_FALSE(found.damaged.empty());
  EXPECT_TRUE(contains(found.damaged.front(), "damaged: writes")) << found.damaged.front();
  // RocksDB gives up the rest of a block of 32 KiB; everything else is whole.
  EXPECT_GE(found.records.size(), 95u);
  for (const auto& [lsn, data] : found.records) EXPECT_EQ(data, expected[lsn]);
  EXPECT_EQ(found.records.rbegin()->second, expected.rbegin()->second);
}

TEST(LogCrash, DamageInTheVeryFirstRecordIsNamed) {
  ScratchDirectory directory;
  {
    auto log = Log::open({.directory = directory / "log", .zstd_level = 0});
    for (int i = 0; i < 30; ++i) {
      append(*log, write_record(i, "value" + std::to_string(i) + std::string(9'000, 'x')),
             Sync::yes);
    }
  }
  ASSERT_TRUE(damage(directory / "log", "value0x"));
  auto log = Log::open({.directory = directory / "log"});
  EXPECT_FALSE(replay(*log).damaged.empty());
}

TEST(LogCrash, AMissingLogFileIsNamed) {
  ScratchDirectory directory;
  {
    auto log = Log::open({.directory = directory / "log", .epoch_bytes = 100'000, .zstd_level = 0});
    for (int i = 0; i < 60; ++i) {
      append(*log, write_record(i, std::string(10'000, 'x')), Sync::yes);
      if (i % 10 == 9) std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
  }
  auto files = wal_files(directory / "log");
  ASSERT_GE(files.size(), 3u);
  std::filesystem::remove(files[files.size() / 2]);
  std::string said = what_open_says({.directory = directory / "log"});
  if (said != "opened") {
    EXPECT_TRUE(contains(said, "damaged")) << said;
    return;
  }
  auto log = Log::open({.directory = directory / "log"});
  EXPECT_FALSE(replay(*log).damaged.empty());
}

TEST(LogCrash, ADamagedDatabaseIsRefusedAndLeftAlone) {
  ScratchDirectory directory;
  { append(*Log::open({.directory = directory / "log"}), write_record(1, "data"), Sync::yes); }
  std::ofstream(directory / "log/CURRENT") << "nonsense";
  auto files = wal_files(directory / "log");
  auto said = what_open_says({.directory = directory / "log"});
  EXPECT_TRUE(contains(said, "damaged")) << said;
  EXPECT_TRUE(contains(said, directory.path())) << said;
  EXPECT_FALSE(contains(said, "\n"));
  EXPECT_EQ(wal_files(directory / "log"), files);
}

TEST(LogCrash, AZeroTailIsTheEndOfTheLog) {
  ScratchDirectory directory;
  { append(*Log::open({.directory = directory / "log"}), write_record(1, "data"), Sync::yes); }
  for (const auto& name : wal_files(directory / "log")) {
    std::filesystem::resize_file(name, std::filesystem::file_size(name) + (1 << 20));
  }
  auto log = Log::open({.directory = directory / "log"});
  auto found = replay(*log);
  EXPECT_EQ(found.records.size(), 1u);
  EXPECT_TRUE(found.damaged.empty());
}

// As a power cut leaves it: of what was not synced, any part may have got to the device.
TEST(LogCrash, AHoleInWhatWasNeverSyncedTakesWhatFollowsWithItSilently) {
  ScratchDirectory directory;
  std::vector<Lsn> numbers;
  {
    auto log = Log::open({.directory = directory / "log", .zstd_level = 0});
    for (int i = 0; i < 30; ++i) {
      auto data = "value" + std::to_string(i) + std::string(40'000, 'x');
      numbers.push_back(append(*log, write_record(i, data), i == 9 ? Sync::yes : Sync::no));
    }
    std::filesystem::copy(directory / "log", directory / "cut");
  }
  ASSERT_TRUE(damage(directory / "cut", "value20x"));
  for (int reopened = 0; reopened < 2; ++reopened) {
    auto log = Log::open({.directory = directory / "cut"});
    auto found = replay(*log);
    EXPECT_TRUE(found.damaged.empty()) << found.damaged.front();
    EXPECT_GE(found.records.size(), 18u);
    EXPECT_LE(found.records.size(), 20u);
    EXPECT_EQ(found.records.begin()->first, numbers.front());
    // Not even after newer promises, which would make the hole look like damage.
    Lsn lsn = append(*log, write_record(1, "later"), Sync::yes);
    append(*log, write_record(1, "later still"), Sync::yes);
    ASSERT_TRUE(log->forget(file_key(1), Lsn{static_cast<uint64_t>(lsn) + 1}, Sync::yes));
    append(*log, write_record(1, "so that records of 1 are as many as before"), Sync::yes);
  }
}

TEST(LogCrash, ALockedLogSaysSo) {
  ScratchDirectory directory;
  Child child("HoldsTheLog", directory / "log");
  char byte = 0;
  ASSERT_TRUE(child.read(byte));
  auto said =
      what_open_says({.directory = directory / "log", .lock_wait = std::chrono::milliseconds(100)});
  EXPECT_TRUE(contains(said, "in use by another daemon")) << said;
  int entries = 0;
  read_log(directory / "log", [&](const LogDump&) { ++entries; });  // reading is allowed
  child.kill();
  EXPECT_EQ(what_open_says({.directory = directory / "log"}), "opened");
}

TEST(LogCrash, APredecessorThatIsAboutToFinishIsWaitedFor) {
  ScratchDirectory directory;
  auto first = Log::open({.directory = directory / "log"});
  std::jthread finish([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    first.reset();
  });
  EXPECT_EQ(what_open_says({.directory = directory / "log"}), "opened");
}

TEST(LogCrash, ADirectoryThatCannotBeMadeSaysWhy) {
  ScratchDirectory directory;
  std::ofstream(directory / "file") << "x";
  auto said = what_open_says({.directory = directory / "file/log"});
  EXPECT_TRUE(contains(said, "Not a directory")) << said;
  said = what_open_says({.directory = directory / "file"});
  EXPECT_TRUE(contains(said, "Not a directory")) << said;
}

}  // namespace
}  // namespace ramfs
