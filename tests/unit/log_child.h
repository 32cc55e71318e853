#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <string>
#include <vector>

#include "log_fixture.h"

// A process that uses the log until it dies, and what must be left then.
namespace ramfs::testing {

// The tests called Child are what a process of its own does: this program again, told by its
// environment. (RocksDB's threads do not survive a fork.)
class Child {
 public:
  Child(const std::string& test, const std::string& directory, Sync sync = Sync::no) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    std::string filter = "--gtest_filter=LogCrashChild.DISABLED_" + test;
    auto pipe_number = std::to_string(ends[1]);
    child_ = ::fork();
    if (child_ == 0) {
      ::setenv("RAMFS_TEST_LOG", directory.c_str(), 1);
      ::setenv("RAMFS_TEST_PIPE", pipe_number.c_str(), 1);
      ::setenv("RAMFS_TEST_SYNC", sync == Sync::yes ? "yes" : "no", 1);
      ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
      ::execl("/proc/self/exe", "test_log", filter.c_str(), "--gtest_also_run_disabled_tests",
              static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(ends[1]);
    pipe_ = ends[0];
  }
  ~Child() {
    kill();
    ::close(pipe_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // False when there will be no more.
  template <class Value>
  bool read(Value& value) {
    return ::read(pipe_, &value, sizeof(value)) == sizeof(value);
  }
  void kill() {
    if (child_ == 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = 0;
  }

 private:
  pid_t child_ = 0;
  int pipe_ = -1;
};

// What was acknowledged, or is about to be asked for.
struct Done {
  enum { appended, will_forget, forgot } what;  // a forget is of all of the file up to `lsn`
  uint64_t lsn;
  int file;
};

// What the log must hold, and must not, after the child died.
struct Expected {
  std::map<uint64_t, int> required;
  std::map<uint64_t, int> forbidden;
};

inline Expected expected_after(const std::vector<Done>& done) {
  Expected expected;
  for (const auto& one : done) {
    auto of_it = [&](const auto& each) { return each.second == one.file && each.first <= one.lsn; };
    if (one.what == Done::appended) expected.required[one.lsn] = one.file;
    if (one.what == Done::will_forget) std::erase_if(expected.required, of_it);
    if (one.what == Done::forgot) expected.forbidden[one.lsn] = one.file;
  }
  return expected;
}

inline void expect_log(const std::string& directory, const Expected& expected) {
  auto log = Log::open({.directory = directory});
  auto found = replay(*log);
  EXPECT_TRUE(found.damaged.empty()) << found.damaged.front();
  for (auto [lsn, file] : expected.required) {
    ASSERT_TRUE(found.records.contains(Lsn{lsn})) << lsn << " of " << file;
    EXPECT_TRUE(found.records[Lsn{lsn}].starts_with(std::to_string(lsn)));
  }
  for (auto [lsn, file] : expected.forbidden) {
    EXPECT_FALSE(found.records.contains(Lsn{lsn})) << lsn << " of " << file;
  }
}

}  // namespace ramfs::testing
