// Who owns what is made, and with which mode: as if the caller had done it on the backing
// filesystem. Each case is made twice, once by a child process with the same credentials.

#include <grp.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cstring>

#include "core_names_fixture.h"

namespace ramfs {
namespace {

constexpr const char* kDefaultAcl = "system.posix_acl_default";
constexpr const char* kAccessAcl = "system.posix_acl_access";

struct Credentials {
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
};

// A process with these credentials: it calls `work`, then stays until the end of the test, so that
// its groups can be asked for.
class Somebody {
 public:
  Somebody(const Credentials& who, mode_t mask, const std::function<bool()>& work) {
    int ready[2];
    int over[2];
    if (::pipe(ready) != 0 || ::pipe(over) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(over[1]);
      bool good = ::setgroups(who.groups.size(), who.groups.data()) == 0 &&
                  ::setgid(who.gid) == 0 && ::setuid(who.uid) == 0;
      ::umask(mask);
      char answer = good && work() ? 'y' : 'n';
      if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
      char byte = 0;
      while (::read(over[0], &byte, 1) > 0) {
      }
      ::_exit(0);
    }
    over_ = Fd(over[1]);
    ::close(over[0]);
    ::close(ready[1]);
    Fd answers(ready[0]);
    char answer = 'n';
    worked_ = ::read(answers.get(), &answer, 1) == 1 && answer == 'y';
  }
  ~Somebody() {
    over_.reset();
    ::waitpid(pid_, nullptr, 0);
  }
  bool worked() const { return worked_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
  Fd over_;
  bool worked_ = false;
};

// An ACL in the form of the xattr: user::rwx, user:1234:rwx, group::r-x, mask::rwx, other::---
std::string acl(uint16_t group_permissions = 5) {
  struct Item {
    uint16_t tag, permissions;
    uint32_t id;
  };
  constexpr uint32_t kNobody = 0xffffffff;
  const Item items[] = {{1, 7, kNobody},
                        {2, 7, 1234},
                        {4, group_permissions, kNobody},
                        {0x10, 7, kNobody},
                        {0x20, 0, kNobody}};
  std::string result = {2, 0, 0, 0};
  result.append(reinterpret_cast<const char*>(items), sizeof items);
  return result;
}

class OwnerTest : public NamesTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }

  // What ls -l and getfacl show of it.
  std::string shown(const std::string& name) {
    struct stat attributes {};
    if (::lstat(path(name).c_str(), &attributes) != 0) return "missing";
    std::string result = std::to_string(attributes.st_mode) + ' ' +
                         std::to_string(attributes.st_uid) + ' ' +
                         std::to_string(attributes.st_gid);
    for (const char* attribute : {kAccessAcl, kDefaultAcl}) {
      char value[256];
      ssize_t size = ::lgetxattr(path(name).c_str(), attribute, value, sizeof value);
      result += '|';
      if (size > 0) result.append(value, static_cast<size_t>(size));
    }
    return result;
  }

  void make_parents() {
    auto make = [&](const char* name, mode_t mode, gid_t group, bool with_acl) {
      ASSERT_EQ(::mkdir(path(name).c_str(), 0777), 0);
      ASSERT_EQ(::chown(path(name).c_str(), 0, group), 0);
      ASSERT_EQ(::chmod(path(name).c_str(), mode), 0);
      if (!with_acl) return;
      std::string value = acl();
      if (::setxattr(path(name).c_str(), kDefaultAcl, value.data(), value.size(), 0) != 0) {
        GTEST_SKIP() << "the filesystem has no ACLs";
      }
    };
    make("plain", 0777, 0, false);
    make("sgid", 02777, 50, false);
    make("acl", 0777, 0, true);
    make("sgid-acl", 02777, 50, true);
    make("by-group", 0770, 60, false);
  }

  static bool make_all(const std::string& parent) {
    auto at = [&](const char* name) { return parent + "/direct-" + name; };
    bool made = true;
    for (mode_t mode : kDirectoryModes) {
      made &= ::mkdir(at(("d" + std::to_string(mode)).c_str()).c_str(), mode) == 0;
    }
    for (mode_t mode : kFileModes) {
      made &= ::mknod(at(("f" + std::to_string(mode)).c_str()).c_str(), mode | S_IFREG, 0) == 0;
    }
    return made && ::symlink("target", at("link").c_str()) == 0;
  }

  void make_and_compare(const std::string& parent, const Caller& caller) {
    InodeId directory = look_up(parent.c_str());
    auto same = [&](const std::string& name) {
      EXPECT_EQ(shown(parent + "/ours-" + name), shown(parent + "/direct-" + name)) << name;
    };
    for (mode_t mode : kDirectoryModes) {
      std::string name = "d" + std::to_string(mode);
      EXPECT_TRUE(world_->names.mkdir(directory, ("ours-" + name).c_str(), mode, caller));
      same(name);
    }
    for (mode_t mode : kFileModes) {
      std::string name = "f" + std::to_string(mode);
      EXPECT_TRUE(
          world_->names.mknod(directory, ("ours-" + name).c_str(), mode | S_IFREG, 0, caller));
      same(name);
    }
    EXPECT_TRUE(world_->names.symlink(directory, "ours-link", "target", caller));
    same("link");
    std::filesystem::remove_all(path(parent) + "/none");
    for (const auto& entry : std::filesystem::directory_iterator(path(parent))) {
      std::filesystem::remove(entry.path());
    }
  }

  static constexpr mode_t kDirectoryModes[] = {0777, 0750, 01777, 02777};
  static constexpr mode_t kFileModes[] = {0666, 0600, 02775, 06755, 02664};
};

TEST_F(OwnerTest, WhatIsMadeIsWhatTheCallerWouldHaveMade) {
  make_parents();
  const Credentials callers[] = {
      {0, 0, {}},    {0, 77, {}}, {1000, 1000, {}}, {1000, 1000, {50}}, {1000, 1000, {60, 50}},
      {1234, 60, {}}};
  for (const Credentials& who : callers) {
    for (mode_t mask : {0, 022, 077}) {
      for (const char* parent : {"plain", "sgid", "acl", "sgid-acl", "by-group"}) {
        SCOPED_TRACE(testing::Message() << parent << ' ' << who.uid << ':' << who.gid << " groups "
                                        << who.groups.size() << " umask " << mask);
        Somebody child(who, mask, [&] { return make_all(path(parent)); });
        Caller caller{who.uid, who.gid, child.pid(), mask};
        if (child.worked()) {
          make_and_compare(parent, caller);
        } else {
          EXPECT_EQ(error_of(world_->names.mkdir(look_up(parent), "denied", 0755, caller)), EACCES);
        }
      }
    }
  }
  EXPECT_EQ(::geteuid(), 0u);
  auto after = world_->names.mkdir(kRootInode, "after", 0777, root());
  EXPECT_EQ(after->attributes.stx_uid, 0u) << "we are ourselves again";
}

// chgrp, chmod by ACL: who is not in the file's group cannot leave it set-group-id.
TEST_F(OwnerTest, SetGroupIdSurvivesOnlyMembersOfTheGroup) {
  for (bool member : {true, false}) {
    for (mode_t mode : {02664, 02775}) {
      SCOPED_TRACE(testing::Message() << member << ' ' << mode);
      std::string names[] = {"direct", "ours"};
      for (const std::string& name : names) {
        write_file(name);
        ASSERT_EQ(::chown(path(name).c_str(), 1000, 50), 0);
        ASSERT_EQ(::chmod(path(name).c_str(), mode), 0);
      }
      Credentials who{1000, 1000, {}};
      if (member) who.groups.push_back(50);
      Somebody owner(who, 0, [&] { return ::chown(path("direct").c_str(), 1000, 1000) == 0; });
      ASSERT_TRUE(owner.worked());
      Caller caller{1000, 1000, owner.pid(), 0};
      ASSERT_TRUE(world_->attributes.setattr(
          look_up("ours"), {.uid = 1000, .gid = 1000, .kill_suid_sgid = true}, caller));
      EXPECT_EQ(shown("ours"), shown("direct"));
    }
  }
}

TEST_F(OwnerTest, AnAclTakesSetGroupIdFromThoseNotInTheGroup) {
  std::string value = acl();
  for (bool member : {true, false}) {
    for (const char* name : {"direct", "ours"}) {
      write_file(name);
      ASSERT_EQ(::chown(path(name).c_str(), 1000, 50), 0);
      ASSERT_EQ(::chmod(path(name).c_str(), 02775), 0);
    }
    Credentials who{1000, 1000, {}};
    if (member) who.groups.push_back(50);
    Somebody owner(who, 0, [&] {
      return ::setxattr(path("direct").c_str(), kAccessAcl, value.data(), value.size(), 0) == 0;
    });
    if (!owner.worked()) GTEST_SKIP() << "the filesystem has no ACLs";
    Caller caller{1000, 1000, owner.pid(), 0};
    ASSERT_TRUE(world_->attributes.setxattr(look_up("ours"), kAccessAcl, value, 0, caller));
    EXPECT_EQ(shown("ours"), shown("direct")) << member;
  }
}

}  // namespace
}  // namespace ramfs
