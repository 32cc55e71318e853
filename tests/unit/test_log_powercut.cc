#include <sys/ioctl.h>
#include <sys/mount.h>

#include <cstdint>

#include "log_child.h"

// Real power cuts, as far as a filesystem can tell: ext4 on a loop device, shut down in the middle
// so that everything that was not synced is gone.
namespace ramfs {
namespace {

using testing::Child;
using testing::Done;
using testing::ScratchDirectory;

constexpr unsigned long kShutdown = _IOR('X', 125, uint32_t);
constexpr uint32_t kWithoutFlush = 2;

class CuttableFilesystem {
 public:
  CuttableFilesystem() {
    auto command = "exec >/dev/null 2>&1; truncate -s 128M " + image() + " && mkfs.ext4 -q " +
                   image() + " && mkdir " + mount_point() + " && mount -o loop " + image() + " " +
                   mount_point();
    mounted_ = ::geteuid() == 0 && std::system(command.c_str()) == 0;
  }
  ~CuttableFilesystem() {
    if (mounted_) ::umount2(mount_point().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string mount_point() const { return directory_ / "mnt"; }

  void cut_power() {
    int fd = ::open(mount_point().c_str(), O_RDONLY | O_CLOEXEC);
    uint32_t how = kWithoutFlush;
    EXPECT_EQ(::ioctl(fd, kShutdown, &how), 0);
    ::close(fd);
  }
  void restore_power() {
    EXPECT_EQ(::umount(mount_point().c_str()), 0);
    auto command = "mount -o loop " + image() + " " + mount_point();
    EXPECT_EQ(std::system(command.c_str()), 0);
  }

 private:
  std::string image() const { return directory_ / "image"; }

  ScratchDirectory directory_{"/dev/shm"};
  bool mounted_ = false;
};

TEST(LogPowerCut, EverySyncedAppendAndForgetSurvivesAndNothingElseComesBack) {
  CuttableFilesystem filesystem;
  if (!filesystem.mounted()) GTEST_SKIP() << "needs root, mkfs.ext4 and a loop device";
  auto directory = filesystem.mount_point() + "/log";
  std::vector<Done> all;  // the log is carried from cut to cut
  for (int cut = 0; cut < 5; ++cut) {
    Child child("AppendsUntilItIsKilled", directory, Sync::yes);
    std::vector<Done> done;
    Done one{};
    while (done.size() < 200 + 100 * static_cast<size_t>(cut) && child.read(one)) {
      done.push_back(one);
    }
    filesystem.cut_power();
    child.kill();
    // What was acknowledged before the cut may still be in the pipe; what fails is not told.
    while (child.read(one)) done.push_back(one);
    filesystem.restore_power();
    all.insert(all.end(), done.begin(), done.end());
    SCOPED_TRACE(cut);
    testing::expect_log(directory, testing::expected_after(all));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// Unsynced appends may be lost, but only from the end: no gaps, and nothing that was never written.
TEST(LogPowerCut, OfUnsyncedAppendsABeginningIsLeft) {
  CuttableFilesystem filesystem;
  if (!filesystem.mounted()) GTEST_SKIP() << "needs root, mkfs.ext4 and a loop device";
  auto directory = filesystem.mount_point() + "/log";
  for (int cut = 0; cut < 4; ++cut) {
    Child child("AppendsUnsyncedOneByOne", directory);
    uint64_t lsn = 0;
    uint64_t first = 0;
    for (int i = 0; i < 2000 && child.read(lsn); ++i) first = first == 0 ? lsn : first;
    filesystem.cut_power();
    child.kill();
    filesystem.restore_power();
    auto log = Log::open({.directory = directory});
    auto found = testing::replay(*log);
    EXPECT_TRUE(found.damaged.empty()) << found.damaged.front();
    uint64_t next = first;
    for (const auto& [number, data] : found.records) {
      EXPECT_TRUE(data.starts_with(std::to_string(static_cast<uint64_t>(number))));
      if (static_cast<uint64_t>(number) < first) continue;
      EXPECT_EQ(static_cast<uint64_t>(number), next);
      ++next;
    }
  }
}

}  // namespace
}  // namespace ramfs
