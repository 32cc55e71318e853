#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "control_fixture.h"
#include "ramfs/log/log.h"

namespace ramfs::testing {
namespace {

using google::protobuf::Value;

const auto* const kRuntime = ::testing::AddGlobalTestEnvironment(new OwnRuntimeDirectory);

// Checked by somebody else's parser.
std::optional<Value> parse(const std::string& text) {
  Value value;
  if (!google::protobuf::util::JsonStringToMessage(text, &value).ok()) return std::nullopt;
  return value;
}

// "arena.files" of an object.
std::optional<Value> at(const Value& json, const std::string& path) {
  Value value = json;
  for (size_t begin = 0; begin <= path.size();) {
    size_t dot = std::min(path.find('.', begin), path.size());
    const auto& fields = value.struct_value().fields();
    auto found = fields.find(path.substr(begin, dot - begin));
    if (found == fields.end()) return std::nullopt;
    value = Value(found->second);
    begin = dot + 1;
  }
  return value;
}

// A daemon in all but the kernel's part.
class Served {
 public:
  Served() : registration_(directory(), scratch_ / "data") {
    std::filesystem::create_directories(scratch_ / "mnt/folder");
    server_.emplace(fake.options(scratch_), fake.target());
    registration_.publish({.mountpoint = mount(),
                           .backing = scratch_ / "data",
                           .control = scratch_ / "socket",
                           .log = log(),
                           .pid = ::getpid(),
                           .version = "1.2.3"});
  }
  std::string mount() const { return scratch_ / "mnt"; }
  std::string log() const { return scratch_ / "log"; }

  FakeFilesystem fake;

 private:
  std::string directory() const { return runtime_directory() + "/" + mount_key(scratch_ / "data"); }

  Scratch scratch_;
  Registration registration_;
  std::optional<ControlServer> server_;
};

class Ramfsctl : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!OwnRuntimeDirectory::hidden) GTEST_SKIP() << "no right to hide the machine's mounts";
  }
};

bool is_one_line(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n') == 1 && text.ends_with('\n');
}

TEST_F(Ramfsctl, WithoutAMountItSaysSoInOneLine) {
  for (std::vector<std::string> command : {std::vector<std::string>{"status"},
                                           {"status", "--json"},
                                           {"sync"},
                                           {"which", "/tmp/x"},
                                           {"evict", "/tmp/x"},
                                           {"log", "stats"},
                                           {"log", "dump"}}) {
    Ran ran = ramfsctl(command);
    EXPECT_EQ(ran.code, 1) << command[0];
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, "ramfsctl: no ramfs mount found\n") << command[0];
  }
  Ran umount = ramfsctl({"umount", "/tmp"});
  EXPECT_EQ(umount.code, 1);
  EXPECT_EQ(umount.err, "ramfsctl: /tmp: no ramfs is mounted there\n");
}

TEST_F(Ramfsctl, BadUsageIsOneLineAndExit2) {
  for (std::vector<std::string> command : {std::vector<std::string>{},
                                           {"frobnicate"},
                                           {"status", "--frobnicate"},
                                           {"status", "a", "b"},
                                           {"which"},
                                           {"umount"},
                                           {"log"},
                                           {"log", "frobnicate"}}) {
    Ran ran = ramfsctl(command);
    EXPECT_EQ(ran.code, 2) << (command.empty() ? "nothing" : command.back());
    EXPECT_EQ(ran.out, "");
    EXPECT_TRUE(is_one_line(ran.err)) << ran.err;
  }
}

TEST_F(Ramfsctl, EveryCommandHasHelpAndVersion) {
  for (std::vector<std::string> command : {std::vector<std::string>{},
                                           {"status"},
                                           {"sync"},
                                           {"umount"},
                                           {"which"},
                                           {"evict"},
                                           {"doctor"},
                                           {"log"},
                                           {"log", "stats"},
                                           {"log", "dump"}}) {
    for (const char* flag : {"--help", "--version"}) {
      auto asked = command;
      asked.push_back(flag);
      Ran ran = ramfsctl(asked);
      EXPECT_EQ(ran.code, 0) << asked.front();
      EXPECT_NE(ran.out, "") << asked.front() << " " << flag;
      EXPECT_EQ(ran.err, "");
    }
  }
}

TEST_F(Ramfsctl, StatusHasTheKeysThatMonitorsRelyOn) {
  Served served;
  served.fake.status.arena = {1ull << 60, 2, 3};
  Ran ran = ramfsctl({"status", "--json"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  auto json = parse(ran.out);
  ASSERT_TRUE(json) << ran.out;
  for (const char* key :
       {"mount", "backing", "passthrough", "io_uring", "arena.budget_bytes", "arena.used_bytes",
        "arena.files", "dirty.bytes", "dirty.oldest_seconds", "log.bytes", "log.compression_ratio",
        "wear.app_write_bytes", "wear.log_write_bytes", "wear.backing_write_bytes",
        "wear.absorbed_bytes", "hits.arena_opens", "hits.backing_opens", "hits.hit_rate",
        "errors.writeback"}) {
    EXPECT_TRUE(at(*json, key)) << key;
  }
  EXPECT_EQ(at(*json, "mount")->string_value(), served.mount());
  EXPECT_NE(ran.out.find("\"budget_bytes\": 1152921504606846976,"), std::string::npos);
}

TEST_F(Ramfsctl, StatusExits3WhenSomebodyShouldLook) {
  Served served;
  EXPECT_EQ(ramfsctl({"status"}).code, 0);
  served.fake.status.last_error = "writeback of a file: No space left on device";
  Ran ran = ramfsctl({"status"});
  EXPECT_EQ(ran.code, 3);
  EXPECT_NE(ran.out.find("No space left on device"), std::string::npos) << ran.out;
}

TEST_F(Ramfsctl, PathsAreTakenFromTheWorkingDirectory) {
  Served served;
  std::ofstream(served.mount() + "/folder/file") << "x";
  served.fake.file.home = "arena";
  Ran ran = ramfsctl({"which", "file", "--json"}, served.mount() + "/folder");
  EXPECT_EQ(ran.code, 0) << ran.err;
  auto json = parse(ran.out);
  ASSERT_TRUE(json) << ran.out;
  EXPECT_EQ(at(json->list_value().values(0), "path")->string_value(), "file");
  EXPECT_EQ(at(json->list_value().values(0), "home")->string_value(), "arena");

  EXPECT_EQ(ramfsctl({"sync", "file"}, served.mount() + "/folder").code, 0);
  EXPECT_EQ(ramfsctl({"sync", served.mount() + "/folder"}).code, 0);
  EXPECT_EQ(ramfsctl({"sync"}).code, 0);
  EXPECT_EQ(ramfsctl({"sync", served.mount()}).code, 0);
  EXPECT_EQ(served.fake.asked,
            (std::vector<std::string>{"sync folder/file", "sync", "sync", "sync"}));
}

TEST_F(Ramfsctl, AMissingFileIsNamedAndTheOthersAreAnswered) {
  Served served;
  Ran ran = ramfsctl({"which", "missing", "other"}, served.mount());
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, "ramfsctl: missing: No such file or directory\n");
  EXPECT_TRUE(ran.out.starts_with("other: ")) << ran.out;
}

TEST_F(Ramfsctl, AFileOutsideOfEveryMountIsNamed) {
  Served served;
  Ran ran = ramfsctl({"which", "/etc/passwd"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(ran.err.starts_with("ramfsctl: /etc/passwd: not in a ramfs mount")) << ran.err;
}

TEST_F(Ramfsctl, OfTwoMountsOneMustBeNamed) {
  Served one, two;
  Ran ran = ramfsctl({"status"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(is_one_line(ran.err)) << ran.err;
  EXPECT_NE(ran.err.find(one.mount()), std::string::npos);
  EXPECT_NE(ran.err.find(two.mount()), std::string::npos);
  EXPECT_EQ(ramfsctl({"status", two.mount()}).code, 0);
}

TEST_F(Ramfsctl, AFailingSyncIsReportedWithItsReason) {
  Served served;
  served.fake.sync_result = fail(ENOSPC);
  Ran ran = ramfsctl({"sync"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_NE(ran.err.find("No space left on device"), std::string::npos) << ran.err;
}

TEST_F(Ramfsctl, DoctorLooksAtTheMachineAndEveryMount) {
  Served served;
  Ran ran = ramfsctl({"doctor", "--json"});
  auto json = parse(ran.out);
  ASSERT_TRUE(json) << ran.out << ran.err;
  EXPECT_GT(at(*json, "machine")->list_value().values_size(), 8);
  ASSERT_EQ(at(*json, "mounts")->list_value().values_size(), 1);
  // The kernel knows nothing of this mount: that is a failure, and said to be.
  EXPECT_EQ(ran.code, 3);
  EXPECT_NE(ran.out.find("the kernel shows no fuse.ramfs there"), std::string::npos);
}

TEST_F(Ramfsctl, TheLogOfAMountIsAskedFromItsDaemon) {
  Served served;
  for (const std::string& named : {served.mount(), served.log()}) {
    Ran ran = ramfsctl({"log", "stats", named, "--json"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    auto json = parse(ran.out);
    ASSERT_TRUE(json) << ran.out;
    EXPECT_EQ(at(*json, "live_bytes")->number_value(), 11);
  }
}

TEST_F(Ramfsctl, ALogThatIsNotMountedIsReadByItself) {
  Scratch scratch;
  {
    auto log = Log::open({.directory = scratch / "log"});
    LogRecord record{.file = FileKey::from_path("some/file"),
                     .low_water = 3,
                     .size = 5,
                     .mtime = {42},
                     .extents = {{0, 5}},
                     .data = {"hello"},
                     .holes = {}};
    ASSERT_TRUE(log->append(log->next_lsn(), record, Sync::yes));
  }
  Ran dump = ramfsctl({"log", "dump", scratch / "log", "--json"});
  EXPECT_EQ(dump.code, 0) << dump.err;
  auto json = parse(dump.out);
  ASSERT_TRUE(json) << dump.out;
  ASSERT_EQ(json->list_value().values_size(), 1);
  const Value& only = json->list_value().values(0);
  EXPECT_EQ(at(only, "file")->string_value(), FileKey::from_path("some/file").to_string());
  EXPECT_EQ(at(only, "low_water")->number_value(), 3);
  EXPECT_EQ(at(only, "mtime_ns")->number_value(), 42);
  EXPECT_FALSE(at(only, "forgotten")->bool_value());
  EXPECT_EQ(ramfsctl({"log", "stats", scratch / "log"}).code, 0);
  EXPECT_EQ(ramfsctl({"log", "stats", scratch / "nothing"}).code, 1);
}

}  // namespace
}  // namespace ramfs::testing
