#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>

#include "ramfs/main/options.h"
#include "ramfs/os/registry.h"

namespace ramfs {
namespace {

constexpr uint64_t kGiB = 1ull << 30;
const Machine kMachine{.memory_bytes = 16 * kGiB, .root = true};

Options parsed(const std::string& text, const Machine& machine = kMachine) {
  Options options;
  parse_mount_options(text, machine, options);
  return options;
}

std::string complaint(const std::string& text) {
  try {
    (void)parsed(text);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

bool has(const Options& options, const std::string& word) {
  return std::count(options.mount_options.begin(), options.mount_options.end(), word) > 0;
}

Options command_line(std::vector<std::string> words) {
  words.insert(words.begin(), "ramfs");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  Options options;
  (void)parse_command_line(static_cast<int>(arguments.size()), arguments.data(), kMachine, options);
  return options;
}

TEST(Options, NothingGivenMeansAQuarterOfTheMemory) {
  Options options = parsed("");
  EXPECT_EQ(options.core.arena_bytes, 4 * kGiB);
  EXPECT_EQ(options.core.dirty_bytes, 2 * kGiB);
  EXPECT_EQ(options.core.slot_max_bytes, kGiB);
  EXPECT_EQ(options.core.durability, Durability::log);
  EXPECT_EQ(options.core.commit_interval, std::chrono::seconds(5));
  EXPECT_EQ(options.core.writeback_age, std::chrono::seconds(30));
  EXPECT_FALSE(options.coherence_given);
  EXPECT_FALSE(options.core.read_only);
}

TEST(Options, PartsOfTheArenaFollowItWhereverItStands) {
  Options options = parsed("commit=1s,arena=64M");
  EXPECT_EQ(options.core.dirty_bytes, 32u << 20);
  EXPECT_EQ(options.core.slot_max_bytes, 16u << 20);
  EXPECT_EQ(parsed("dirty=8M,arena=64M").core.dirty_bytes, 8u << 20);
  EXPECT_EQ(parsed("slot_max=0,arena=64M").core.slot_max_bytes, 0u);
}

TEST(Options, EveryOneIsTakenOver) {
  Options options = parsed(
      "arena=50%,log=/l,durability=backing,commit=200ms,writeback=2m,dirty=1G,slot_max=2G,"
      "promote=7,demote=1.5,halflife=1h,coherence=exclusive,passthrough=off,io_uring=auto,"
      "control=/c,loglevel=debug,logfile=/f,ro");
  EXPECT_EQ(options.core.arena_bytes, 8 * kGiB);
  EXPECT_EQ(options.log, "/l");
  EXPECT_EQ(options.core.durability, Durability::backing);
  EXPECT_EQ(options.core.commit_interval, std::chrono::milliseconds(200));
  EXPECT_EQ(options.core.writeback_age, std::chrono::minutes(2));
  EXPECT_EQ(options.core.dirty_bytes, kGiB);
  EXPECT_EQ(options.core.slot_max_bytes, 2 * kGiB);
  EXPECT_EQ(options.core.promote, 7);
  EXPECT_EQ(options.core.demote, 1.5);
  EXPECT_EQ(options.core.half_life, std::chrono::hours(1));
  EXPECT_TRUE(options.coherence_given);
  EXPECT_EQ(options.core.coherence, Coherence::exclusive);
  EXPECT_EQ(options.control, "/c");
  EXPECT_EQ(options.logging.level, LogLevel::debug);
  EXPECT_EQ(options.logging.file, "/f");
  EXPECT_TRUE(options.core.read_only);
  EXPECT_TRUE(has(options, "ro"));
}

TEST(Options, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"aerna=1G", "unknown option aerna"},
      {"arena", "option arena needs a value: arena=SIZE"},
      {"arena=1X", "option arena: '1X' is not a size"},
      {"arena=32G", "option arena: 32.0 GiB is more than this machine's memory"},
      {"arena=4K", "option arena: '4K' is too small"},
      {"commit=soon", "option commit: 'soon' is not a time"},
      {"commit=0", "option commit: '0' is too short"},
      {"durability=never", "option durability: 'never' is none of: backing, log, relaxed"},
      {"durability=volatile", "option durability: 'volatile' is for single paths"},
      {"io_uring=on", "option io_uring: this version serves requests through /dev/fuse"},
      {"promote=hot", "option promote: 'hot' is not a rate"},
      {"demote=9,promote=2", "option demote: 9 is above promote=2"},
      {"dirty=2G,arena=1G", "option dirty"},
      {"slot_max=2G,arena=1G", "option slot_max"},
      {"log=", "option log: it needs a path"},
      {"ro=1", "unknown option ro"},
      {"rules=/etc/rules", "unknown option rules"},
      {"fsname=x", "unknown option fsname"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_NE(complaint(text).find(expected), std::string::npos) << text << ": " << complaint(text);
    EXPECT_EQ(complaint(text).find('\n'), std::string::npos) << text;
  }
}

TEST(Options, RootSharesItsMountAndUsersDoNot) {
  Options root = parsed("");
  EXPECT_TRUE(has(root, "allow_other"));
  EXPECT_TRUE(has(root, "default_permissions"));
  Options user = parsed("", {.memory_bytes = kGiB, .root = false});
  EXPECT_FALSE(has(user, "allow_other"));
  EXPECT_FALSE(has(user, "suid"));
  EXPECT_TRUE(has(user, "default_permissions"));
}

// libfuse takes the last of two that contradict each other.
TEST(Options, WhatIsAskedForComesBehindTheDefaults) {
  Options options = parsed("nosuid");
  auto at = [&](const char* word) {
    return std::find(options.mount_options.begin(), options.mount_options.end(), word);
  };
  EXPECT_LT(at("suid"), at("nosuid"));
}

TEST(Options, WordsOfFstabAreNoErrors) {
  Options options = parsed("defaults,noauto,users,_netdev,nofail,x-systemd.automount,relatime");
  EXPECT_FALSE(has(options, "nofail"));
}

TEST(Options, TheLaterOfReadOnlyAndReadWriteCounts) {
  EXPECT_FALSE(parsed("ro,rw").core.read_only);
  EXPECT_TRUE(parsed("rw,ro").core.read_only);
}

TEST(Options, ACommaInAPathIsEscaped) {
  EXPECT_EQ(parsed("log=/a\\,b").log, "/a,b");
}

TEST(CommandLine, MountRunsUsWithOptionsBehindTheNames) {
  Options options = command_line({"/data", "/mnt", "-o", "rw,arena=1G", "-o", "commit=1s"});
  EXPECT_EQ(options.backing, "/data");
  EXPECT_EQ(options.mountpoint, "/mnt");
  EXPECT_EQ(options.core.arena_bytes, kGiB);
  EXPECT_EQ(options.core.commit_interval, std::chrono::seconds(1));
  EXPECT_FALSE(options.foreground);
  EXPECT_TRUE(command_line({"-f", "/data", "/mnt"}).foreground);
  EXPECT_EQ(command_line({"-d", "/data", "/mnt"}).logging.level, LogLevel::debug);
}

TEST(CommandLine, NeedsTwoNamesAndKnowsItsLetters) {
  EXPECT_THROW((void)command_line({"/data"}), UsageError);
  EXPECT_THROW((void)command_line({"/a", "/b", "/c"}), UsageError);
  EXPECT_THROW((void)command_line({"-x", "/a", "/b"}), UsageError);
  EXPECT_THROW((void)command_line({"/a", "/b", "-o"}), UsageError);
}

TEST(CommandLine, HelpNamesEveryOption) {
  std::string help = help_text();
  for (const std::string& name : option_names()) {
    EXPECT_NE(help.find("  " + name), std::string::npos) << name;
  }
}

// Whatever somebody types, it is understood or refused in one line.
RC_GTEST_PROP(OptionsModel, AnyTextIsTakenOrRefusedInOneLine, ()) {
  auto names = option_names();
  std::string text;
  for (const auto& part : *rc::gen::container<std::vector<std::string>>(rc::gen::oneOf(
           rc::gen::string<std::string>(),
           rc::gen::map(rc::gen::pair(rc::gen::elementOf(names), rc::gen::string<std::string>()),
                        [](const auto& pair) {
                          return pair.first.substr(0, pair.first.find('=') + 1) + pair.second;
                        })))) {
    text += part + ",";
  }
  try {
    Options options = parsed(text);
    RC_ASSERT(options.core.dirty_bytes <= options.core.arena_bytes);
    RC_ASSERT(options.core.arena_bytes <= kMachine.memory_bytes);
  } catch (const UsageError& error) {
    RC_ASSERT(error.what()[0] != '\0');
  }
}

TEST(MountKey, TellsEqualNamesApart) {
  EXPECT_TRUE(mount_key("/srv/data").starts_with("data-"));
  EXPECT_NE(mount_key("/srv/data"), mount_key("/home/data"));
  EXPECT_EQ(mount_key("/srv/data"), mount_key("/srv/data"));
  EXPECT_TRUE(mount_key("/").starts_with("root-"));
  EXPECT_LE(mount_key("/" + std::string(255, 'x')).size(), 255u);
}

}  // namespace
}  // namespace ramfs
