#include <sys/mount.h>

#include <fstream>
#include <random>
#include <thread>

#include "log_fixture.h"

namespace ramfs {
namespace {

using testing::append;
using testing::replay;
using testing::ScratchDirectory;
using testing::write_record;

constexpr size_t kMiB = 1 << 20;

std::string noise(size_t size) {
  std::mt19937 random(1);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// A filesystem of so many bytes; needs the right to mount.
class SmallFilesystem {
 public:
  explicit SmallFilesystem(size_t bytes) {
    auto options = "size=" + std::to_string(bytes);
    mounted_ = ::mount("none", directory_.path().c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallFilesystem() {
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string operator/(const std::string& name) const { return directory_ / name; }

 private:
  ScratchDirectory directory_;
  bool mounted_;
};

TEST(LogFull, AFullDeviceIsAnErrorAndTheLogGoesOnWhenThereIsRoomAgain) {
  SmallFilesystem filesystem(24 * kMiB);
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the right to mount";
  std::ofstream(filesystem / "filler") << noise(16 * kMiB);
  auto log = Log::open({.directory = filesystem / "log", .epoch_bytes = 64 * kMiB});
  auto data = noise(kMiB / 2);
  std::map<Lsn, std::string> expected;
  Result<void> appended;
  for (int i = 0; i < 40; ++i) {
    Lsn lsn = log->next_lsn();
    appended = log->append(lsn, write_record(i, data), Sync::yes);
    if (!appended) break;
    expected[lsn] = data;
  }
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error(), Errno{ENOSPC});
  EXPECT_GT(expected.size(), 5u);

  std::filesystem::remove(filesystem / "filler");
  for (int i = 0; i < 200; ++i) {
    Lsn lsn = log->next_lsn();
    appended = log->append(lsn, write_record(1, "after"), Sync::yes);
    if (appended) expected[lsn] = "after";
    if (appended) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_TRUE(appended);
  append(*log, write_record(2, "and another"), Sync::yes);
  log.reset();

  log = Log::open({.directory = filesystem / "log"});
  auto found = replay(*log);
  EXPECT_TRUE(found.damaged.empty()) << found.damaged.front();
  for (const auto& [lsn, text] : expected) EXPECT_EQ(found.records[lsn], text);
}

TEST(LogFull, AFullDeviceAtOpenSaysSo) {
  SmallFilesystem filesystem(kMiB);
  if (!filesystem.mounted()) GTEST_SKIP() << "needs the right to mount";
  std::ofstream(filesystem / "filler") << noise(2 * kMiB);
  try {
    auto log = Log::open({.directory = filesystem / "log"});
    FAIL() << "opened";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("no space left"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ramfs
