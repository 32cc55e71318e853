#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "ramfs/os/backing.h"
#include "ramfs/os/fault.h"
#include "ramfs/os/fd_cache.h"
#include "ramfs/os/sys.h"

namespace ramfs {
namespace {

namespace fs = std::filesystem;

// A directory of the test's own, gone after it.
class Os : public testing::Test {
 protected:
  Os() {
    std::string pattern = (fs::temp_directory_path() / "ramfs-os-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~Os() override { fs::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  void write_file(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }
  static std::string read_all(int fd) {
    std::array<std::byte, 100> buffer;
    auto got = sys::read_at(fd, buffer, 0);
    return got ? std::string(reinterpret_cast<char*>(buffer.data()), *got) : "?";
  }
  uint64_t inode_of(const std::string& name) const {
    return sys::stat_at(AT_FDCWD, path(name).c_str())->stx_ino;
  }

  std::string directory_;
};

TEST_F(Os, ReadsAndWritesWholeRanges) {
  auto file = sys::open_at(AT_FDCWD, path("f").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(file);
  std::string text = "0123456789";
  ASSERT_TRUE(sys::write_at(file->get(), std::as_bytes(std::span(text)), 5));
  std::array<std::byte, 8> buffer;
  EXPECT_EQ(sys::read_at(file->get(), buffer, 10).value(), 5u);
  EXPECT_EQ(static_cast<char>(buffer[0]), '5');
  EXPECT_EQ(sys::stat_fd(file->get())->stx_size, 15u);
  ASSERT_TRUE(sys::set_mtime(file->get(), {-1'500'000'000}));
  EXPECT_EQ(sys::to_timestamp(sys::stat_fd(file->get())->stx_mtime).ns, -1'500'000'000);
}

TEST_F(Os, ReportsErrorsAsErrno) {
  EXPECT_EQ(sys::open_at(AT_FDCWD, path("none").c_str(), O_RDONLY).error(), Errno{ENOENT});
  EXPECT_EQ(sys::stat_at(AT_FDCWD, path("none").c_str()).error(), Errno{ENOENT});
  EXPECT_EQ(sys::groups_of(0x7ffffff0).error(), Errno{ESRCH});
}

TEST_F(Os, FindsAFileByItsKeyAcrossARename) {
  Backing backing(directory_);
  if (!backing.has_handles()) GTEST_SKIP() << "no file handles here";
  write_file("a", "text");
  auto key = sys::file_key(backing.open_path("a", O_PATH)->get());
  ASSERT_TRUE(key);
  fs::create_directory(path("d"));
  fs::rename(path("a"), path("d/b"));
  auto file = backing.open(*key, O_RDONLY);
  ASSERT_TRUE(file);
  EXPECT_EQ(read_all(file->get()), "text");
  EXPECT_EQ(backing.path_of(file->get()).value(), "d/b");
  file->reset();
  fs::remove(path("d/b"));
  EXPECT_EQ(backing.open(*key, O_RDONLY).error(), Errno{ESTALE});
}

TEST_F(Os, FindsAFileByPathOnlyWhileItIsTheSame) {
  Backing backing(directory_);
  write_file("a", "first");
  uint64_t inode = inode_of("a");
  FileKey key = FileKey::from_path("a");
  EXPECT_TRUE(backing.open(key, O_RDONLY, inode));
  write_file("b", "second");
  fs::rename(path("b"), path("a"));
  EXPECT_EQ(backing.open(key, O_RDONLY, inode).error(), Errno{ESTALE});
  EXPECT_TRUE(backing.open(key, O_RDONLY));
  fs::remove(path("a"));
  EXPECT_EQ(backing.open(key, O_RDONLY).error(), Errno{ESTALE});
  EXPECT_EQ(backing.open(FileKey(), O_RDONLY).error(), Errno{ESTALE});
}

TEST_F(Os, NeverLeavesTheBackingDirectory) {
  fs::create_directory(path("root"));
  fs::create_directory(path("root/d"));
  write_file("outside", "x");
  fs::create_symlink("../outside", path("root/link"));
  fs::create_directory_symlink("..", path("root/up"));
  Backing backing(path("root"));
  EXPECT_FALSE(backing.open_path("link", O_RDONLY));
  EXPECT_FALSE(backing.open_path("up/outside", O_RDONLY));
  EXPECT_EQ(backing.open_path("../outside", O_RDONLY).error(), Errno{EXDEV});
  EXPECT_FALSE(backing.open_path("/etc/passwd", O_RDONLY));
  EXPECT_TRUE(backing.open_path("link", O_PATH));  // the symlink itself
  EXPECT_TRUE(backing.open_path("d", O_RDONLY | O_DIRECTORY));
  EXPECT_TRUE(backing.open_path("", O_PATH));
}

TEST_F(Os, KnowsWhereAFileIs) {
  Backing backing(directory_);
  write_file("a (deleted)", "really called so");
  auto file = backing.open_path("a (deleted)", O_RDONLY);
  EXPECT_EQ(backing.path_of(file->get()).value(), "a (deleted)");
  EXPECT_EQ(backing.path_of(backing.root()).value(), "");
  fs::remove(path("a (deleted)"));
  EXPECT_EQ(backing.path_of(file->get()).error(), Errno{ENOENT});
}

TEST_F(Os, SearchesForAFileOfWhichOnlyTheNumberIsKnown) {
  fs::create_directories(path("a/b/c"));
  fs::create_directories(path("d"));
  write_file("a/b/c/file", "");
  write_file("d/other", "");
  Backing backing(directory_);
  auto attributes = *sys::stat_at(AT_FDCWD, path("a/b/c/file").c_str());
  EXPECT_EQ(backing.search(attributes).value(), "a/b/c/file");
  fs::rename(path("a/b"), path("d/moved"));
  EXPECT_EQ(backing.search(attributes).value(), "d/moved/c/file");
  fs::remove(path("d/moved/c/file"));
  EXPECT_EQ(backing.search(attributes).error(), Errno{ENOENT});
}

TEST_F(Os, RefusesABackingThatIsNoDirectory) {
  write_file("f", "");
  EXPECT_THROW(Backing{path("f")}, std::runtime_error);
  EXPECT_THROW(Backing{path("none")}, std::runtime_error);
}

TEST_F(Os, ActsAsAnotherUserInOneThreadOnly) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ::chmod(directory_.c_str(), 0777);
  std::vector<gid_t> groups = {1234};
  std::latch acting(1), seen(1);
  std::thread bystander([&] {
    acting.wait();
    EXPECT_TRUE(sys::open_at(AT_FDCWD, "/etc/shadow", O_RDONLY));
    seen.count_down();
  });
  std::thread([&] {
    sys::ActAs user(1000, 1001, &groups, 027);
    ASSERT_TRUE(sys::open_at(AT_FDCWD, path("theirs").c_str(), O_RDWR | O_CREAT, 0666));
    EXPECT_EQ(sys::groups_of(static_cast<pid_t>(::gettid())).value(), groups);
    auto secret = sys::open_at(AT_FDCWD, "/etc/shadow", O_RDONLY);
    EXPECT_EQ(secret.error(), Errno{EACCES});
    acting.count_down();
    seen.wait();
  }).join();
  bystander.join();
  auto theirs = sys::stat_at(AT_FDCWD, path("theirs").c_str());
  ASSERT_TRUE(theirs);
  EXPECT_EQ(theirs->stx_uid, 1000u);
  EXPECT_EQ(theirs->stx_gid, 1001u);
  EXPECT_EQ(theirs->stx_mode & 0777, 0640);
}

TEST_F(Os, ReturnsFromAnotherUserCompletely) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  std::thread([&] {
    auto before = sys::groups_of(static_cast<pid_t>(::gettid()));
    mode_t umask_before = ::umask(022);
    ::umask(umask_before);
    {
      std::vector<gid_t> groups = {7, 8};
      sys::ActAs user(1000, 1000, &groups, 077);
    }
    EXPECT_EQ(sys::groups_of(static_cast<pid_t>(::gettid())).value(), before.value());
    EXPECT_EQ(::umask(umask_before), umask_before);
    write_file("ours", "");
    EXPECT_EQ(sys::stat_at(AT_FDCWD, path("ours").c_str())->stx_uid, 0u);
    EXPECT_TRUE(sys::open_at(AT_FDCWD, "/etc/shadow", O_RDONLY));
  }).join();
}

Result<Fd> open_null() {
  return sys::open_at(AT_FDCWD, "/dev/null", O_RDONLY);
}

TEST(FdCache, KeepsWhatWasUsedLast) {
  FdCache cache(2);
  int opened = 0;
  auto open = [&]() -> Result<Fd> {
    ++opened;
    return open_null();
  };
  FdLease first = *cache.get(1, open);
  EXPECT_TRUE(cache.get(2, open));
  EXPECT_TRUE(cache.get(1, open));
  EXPECT_TRUE(cache.get(3, open));
  EXPECT_EQ(opened, 3);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_TRUE(cache.find(1));
  EXPECT_FALSE(cache.find(2));
  cache.drop(1);
  EXPECT_FALSE(cache.find(1));
  EXPECT_NE(::fcntl(first->get(), F_GETFD), -1) << "a lease outlives its place in the cache";
}

TEST(FdCache, StaysBelowItsCapacityFromManyThreads) {
  FdCache cache(128);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t step = 0; step < 2000; ++step) {
        ASSERT_TRUE(cache.get((step * 7 + static_cast<uint64_t>(thread)) % 300, open_null));
        if (step % 100 == 0) cache.drop(step % 300);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(cache.size(), 128u);
}

TEST(FdCache, MakesRoomWhenDescriptorsRunOut) {
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  struct rlimit few = before;
  few.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    FdCache cache(1000);
    for (uint64_t key = 0; key < 300; ++key) EXPECT_TRUE(cache.get(key, open_null)) << key;
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(FdCache, PassesOnWhyAnOpenFailed) {
  FdCache cache(4);
  EXPECT_EQ(cache.get(1, []() -> Result<Fd> { return fail(EACCES); }).error(), Errno{EACCES});
  EXPECT_EQ(cache.size(), 0u);
}

// Faults are read once per process, so each of these tests has its own.
int in_child(const char* faults, const std::function<int()>& body) {
  pid_t child = ::fork();
  if (child == 0) {
    ::setenv("RAMFS_FAULT", faults, 1);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(Fault, FailsFromTheNthPassingOn) {
  int status = in_child("a.point:enospc:3,other:eio", [] {
    for (int passing = 1; passing <= 5; ++passing) {
      auto result = fault_point("a.point");
      bool right = passing < 3 ? result.has_value() : !result && result.error() == Errno{ENOSPC};
      if (!right) return passing;
    }
    return fault_point("unnamed") ? 0 : 100;
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Fault, KillsTheProcess) {
  int status = in_child("a.point:kill:2", [] {
    (void)fault_point("a.point");
    (void)fault_point("a.point");
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace ramfs
