#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <thread>

#include "../../src/ramfsctl/client.h"
#include "control_fixture.h"
#include "ramfs/os/fd.h"

namespace ramfs::testing {
namespace {

using ctl::Client;
using std::chrono::steady_clock;

class Control : public ::testing::Test {
 protected:
  void start() { server_.emplace(fake_.options(scratch_), fake_.target()); }
  void stop() { server_.reset(); }
  std::string socket() const { return scratch_ / "socket"; }
  Client client() { return Client(socket()); }

  // What the server says when it cannot start.
  std::string complaint(const ControlOptions& options) {
    try {
      ControlServer server(options, fake_.target());
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  }

  Scratch scratch_;
  FakeFilesystem fake_;
  std::optional<ControlServer> server_;
};

Fd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    socket.reset();
  }
  return socket;
}

TEST_F(Control, TheSocketIsForItsOwnerAloneAndGoesWithTheServer) {
  start();
  struct stat found;
  ASSERT_EQ(::lstat(socket().c_str(), &found), 0);
  EXPECT_TRUE(S_ISSOCK(found.st_mode));
  EXPECT_EQ(found.st_mode & 07777, 0600u);
  stop();
  EXPECT_NE(::lstat(socket().c_str(), &found), 0);
}

TEST_F(Control, StatusArrivesAsTheFilesystemGaveIt) {
  fake_.status.arena = {1, 2, 3};
  fake_.status.dirty = {4, 5, 6, 7};
  fake_.status.log = {8, 9, 2.5};
  fake_.status.wear = {10, 11, 12, UINT64_MAX};
  fake_.status.hits = {13, 14, 0.25};
  fake_.status.errors = {15, 16, 17, 18};
  fake_.status.inodes = {19, 20, 21};
  fake_.status.recovered = {22, 23, 24, 25, 26};
  fake_.status.recovering = true;
  fake_.status.last_error = "a \xff file: no space";
  start();
  ctl::MountStatus got = client().status();
  EXPECT_EQ(got.mount, scratch_ / "mnt");
  EXPECT_EQ(got.backing, scratch_ / "data");
  EXPECT_EQ(got.version, "1.2.3");
  EXPECT_EQ(got.passthrough, "off");
  EXPECT_EQ(got.io_uring, "off");
  EXPECT_EQ(got.pid, ::getpid());
  EXPECT_TRUE(got.needs_attention);
  const Status& s = got.status;
  EXPECT_EQ(s.arena.files, 3u);
  EXPECT_EQ(s.dirty.limit_bytes, 7u);
  EXPECT_EQ(s.log.compression_ratio, 2.5);
  EXPECT_EQ(s.wear.absorbed_bytes, UINT64_MAX);
  EXPECT_EQ(s.hits.hit_rate, 0.25);
  EXPECT_EQ(s.errors.conflicts, 18u);
  EXPECT_EQ(s.inodes.cached_descriptors, 21u);
  EXPECT_EQ(s.recovered.milliseconds, 26u);
  EXPECT_TRUE(s.recovering);
  EXPECT_EQ(s.last_error, "a \xff file: no space");
}

TEST_F(Control, TheClientKnowsWhichProcessItTalksTo) {
  start();
  EXPECT_EQ(client().daemon(), ::getpid());
}

TEST_F(Control, SyncTellsHowFarItIs) {
  start();
  std::vector<uint64_t> left;
  client().sync({},
                [&](const WritebackProgress& progress) { left.push_back(progress.bytes_left); });
  EXPECT_EQ(left, (std::vector<uint64_t>{4096, 0}));
  EXPECT_EQ(fake_.asked, (std::vector<std::string>{"sync"}));
}

TEST_F(Control, SyncOfFilesNamesTheOneThatFails) {
  fake_.sync_result = fail(ENOSPC);
  start();
  try {
    client().sync({"a/b\xfe"}, [](const auto&) {});
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "a/b\xfe: No space left on device");
  }
}

TEST_F(Control, UnmountWritesEverythingBackBeforeTheSessionEnds) {
  start();
  client().unmount(false, [](const auto&) {});
  EXPECT_EQ(fake_.asked, (std::vector<std::string>{"flush", "end"}));
}

TEST_F(Control, UnmountOfWhatCannotBeWrittenBackNeedsForce) {
  fake_.sync_result = fail(EIO);
  start();
  EXPECT_THROW(client().unmount(false, [](const auto&) {}), std::runtime_error);
  EXPECT_EQ(fake_.asked, (std::vector<std::string>{"flush"}));
  EXPECT_THROW(client().unmount(true, [](const auto&) {}), std::runtime_error);
  EXPECT_EQ(fake_.asked, (std::vector<std::string>{"flush", "flush", "end"}));
}

TEST_F(Control, WhichAnswersForEveryFileAlsoBesideMissingOnes) {
  fake_.file = {.home = "arena",
                .binding = "unbound",
                .heat = 1.5,
                .size = 10,
                .arena_bytes = 9,
                .dirty_bytes = 8,
                .uncommitted_bytes = 7,
                .open_handles = 6};
  start();
  auto files = client().which({"missing", "here"});
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].error, ENOENT);
  EXPECT_EQ(files[1].error, 0);
  EXPECT_EQ(files[1].path, "here");
  EXPECT_EQ(files[1].status.home, "arena");
  EXPECT_EQ(files[1].status.heat, 1.5);
  EXPECT_EQ(files[1].status.open_handles, 6u);
}

TEST_F(Control, EvictWritesDirtyDataBackFirst) {
  start();
  auto files = client().evict({"f"});
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].error, 0);
  EXPECT_EQ(fake_.asked, (std::vector<std::string>{"sync f", "evict f"}));
}

TEST_F(Control, EvictKeepsWhatCannotBeWrittenBack) {
  fake_.sync_result = fail(EIO);
  start();
  EXPECT_EQ(client().evict({"f"}).at(0).error, EIO);
  EXPECT_EQ(fake_.asked, (std::vector<std::string>{"sync f"}));
}

TEST_F(Control, LogStatsComeFromTheLog) {
  start();
  LogStats stats = client().log_stats();
  EXPECT_EQ(stats.live_bytes, 11u);
  EXPECT_EQ(stats.syncs, 12u);
}

TEST_F(Control, ASocketOfAKilledDaemonIsReplaced) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket().copy(address.sun_path, sizeof address.sun_path - 1);
  Fd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  dead.reset();
  start();
  EXPECT_EQ(client().status().version, "1.2.3");
}

TEST_F(Control, WhatSomebodyElseUsesIsNotReplaced) {
  start();
  EXPECT_NE(complaint(fake_.options(scratch_)).find("another daemon uses it"), std::string::npos);
  EXPECT_EQ(client().status().version, "1.2.3");
  stop();
  std::ofstream(socket()) << "precious";
  EXPECT_NE(complaint(fake_.options(scratch_)).find("is no socket"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_regular_file(socket()));
}

TEST_F(Control, APathTooLongForASocketIsRefusedInOneLine) {
  ControlOptions options = fake_.options(scratch_);
  options.socket = scratch_ / std::string(200, 'x');
  std::string text = complaint(options);
  EXPECT_NE(text.find("longer than 107 bytes"), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST_F(Control, ManyCallersAreServedAtOnce) {
  start();
  std::atomic<int> answered = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 8; ++i) {
      callers.emplace_back([&] {
        for (int n = 0; n < 10; ++n) answered += client().status().version == "1.2.3";
      });
    }
  }
  EXPECT_EQ(answered, 80);
}

TEST_F(Control, TheServerEndsPromptlyThoughCallersStayConnected) {
  start();
  Client idle = client();
  EXPECT_EQ(idle.status().version, "1.2.3");
  Fd mute = connect_to(socket());
  ASSERT_TRUE(mute);
  auto begin = steady_clock::now();
  stop();
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_THROW(idle.status(), ctl::Unreachable);
  EXPECT_THROW(client(), ctl::Unreachable);
}

// The first byte of a served connection comes from the server: its HTTP/2 settings.
bool is_served(const std::string& path) {
  Fd connection = connect_to(path);
  timeval limit{10, 0};
  ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
  ::send(connection.get(), kPreface, sizeof kPreface - 1, MSG_NOSIGNAL);
  char byte;
  return ::recv(connection.get(), &byte, 1, 0) == 1;
}

TEST_F(Control, OtherUsersAreTurnedAwayEvenWhereTheyReachTheSocket) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  start();
  EXPECT_TRUE(is_served(socket()));
  std::filesystem::permissions(scratch_.path(), std::filesystem::perms::all);
  std::filesystem::permissions(socket(), std::filesystem::perms::all);
  // A thread's own user: the system call, not libc's for the whole process.
  std::jthread([&] {
    ASSERT_EQ(::syscall(SYS_setresuid, 65534, 65534, 65534), 0);
    EXPECT_FALSE(is_served(socket()));
  });
}

}  // namespace
}  // namespace ramfs::testing
