#include <linux/fs.h>
#include <sys/xattr.h>

#include "core_names_fixture.h"

namespace ramfs {
namespace {

constexpr Timestamp kPast{1'234'567'890'123'456'789};
constexpr const char* kUserName = "user.colour";
constexpr const char* kCapabilities = "security.capability";
constexpr const char* kTrustedName = "trusted.colour";

class AttributesTest : public NamesTest {
 protected:
  Result<sys::Attributes> change(InodeId id, const AttributeChange& what) {
    return world_->attributes.setattr(id, what, root());
  }
  mode_t mode(const std::string& name) {
    struct stat attributes {};
    EXPECT_EQ(::lstat(path(name).c_str(), &attributes), 0);
    return attributes.st_mode & 07777;
  }
};

TEST_F(AttributesTest, ModeOwnerAndTimesReachTheBackingFile) {
  write_file("file");
  InodeId id = look_up("file");
  EXPECT_EQ(change(id, {.mode = 0640})->stx_mode & 07777, 0640);
  EXPECT_EQ(mode("file"), 0640u);
  auto result = change(id, {.atime = Timestamp{5}, .mtime = kPast});
  ASSERT_TRUE(result);
  EXPECT_EQ(sys::to_timestamp(result->stx_mtime), kPast);
  EXPECT_EQ(sys::to_timestamp(result->stx_atime), Timestamp{5});
  result = change(id, {.mtime_now = true});
  EXPECT_GT(sys::to_timestamp(result->stx_mtime), kPast);
  EXPECT_EQ(sys::to_timestamp(result->stx_atime), Timestamp{5});
  EXPECT_TRUE(world_->hooks.changed.contains(id));
  if (::geteuid() != 0) GTEST_SKIP() << "chown needs root";
  result = change(id, {.uid = 12, .gid = 34});
  EXPECT_EQ(result->stx_uid, 12u);
  EXPECT_EQ(result->stx_gid, 34u);
  EXPECT_EQ(change(id, {.gid = 35})->stx_uid, 12u);
}

TEST_F(AttributesTest, ASymlinkHasTimesAndAnOwnerButNoMode) {
  write_file("target");
  ASSERT_EQ(::symlink("target", path("link").c_str()), 0);
  InodeId id = look_up("link");
  EXPECT_EQ(error_of(change(id, {.mode = 0600})), EOPNOTSUPP);
  EXPECT_EQ(mode("target"), 0644u);
  EXPECT_EQ(sys::to_timestamp(change(id, {.mtime = kPast})->stx_mtime), kPast);
  if (::geteuid() != 0) GTEST_SKIP() << "chown needs root";
  EXPECT_EQ(change(id, {.uid = 12})->stx_uid, 12u);
  struct stat target {};
  ASSERT_EQ(::stat(path("target").c_str(), &target), 0);
  EXPECT_EQ(target.st_uid, 0u);
  EXPECT_NE(target.st_mtime, kPast.ns / 1'000'000'000);
}

TEST_F(AttributesTest, ChownAndWriteTakePrivilegesAway) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  write_file("file");
  InodeId id = look_up("file");
  ASSERT_TRUE(change(id, {.mode = 06755}));
  EXPECT_EQ(change(id, {.uid = 12})->stx_mode & 07777, 0755);

  ASSERT_TRUE(change(id, {.mode = 06745}));
  EXPECT_EQ(change(id, {.kill_suid_sgid = true})->stx_mode & 07777, 02745)
      << "without group execute it is no privilege";
  ASSERT_TRUE(change(id, {.mode = 06755}));
  const unsigned char capability[20] = {0, 0, 0, 2, 0, 4};
  ASSERT_EQ(::setxattr(path("file").c_str(), kCapabilities, capability, sizeof capability, 0), 0);
  EXPECT_EQ(change(id, {.kill_suid_sgid = true})->stx_mode & 07777, 0755);
  EXPECT_EQ(error_of(world_->attributes.getxattr(id, kCapabilities)), ENODATA);

  InodeId directory = world_->names.mkdir(kRootInode, "d", 0755, root())->inode;
  ASSERT_TRUE(change(directory, {.mode = 02755}));
  EXPECT_EQ(change(directory, {.gid = 12})->stx_mode & 07777, 02755) << "directories keep it";
}

TEST_F(AttributesTest, AttributesOfFilesAndDirectoriesAreTheBackingOnes) {
  write_file("file");
  ASSERT_EQ(::mkdir(path("d").c_str(), 0755), 0);
  for (const char* name : {"file", "d"}) {
    SCOPED_TRACE(name);
    InodeId id = look_up(name);
    auto& store = world_->attributes;
    EXPECT_EQ(error_of(store.getxattr(id, kUserName)), ENODATA);
    ASSERT_TRUE(store.setxattr(id, kUserName, "green", 0, root()));
    EXPECT_EQ(*store.getxattr(id, kUserName), "green");
    EXPECT_EQ(error_of(store.setxattr(id, kUserName, "red", XATTR_CREATE, root())), EEXIST);
    std::string large(3000, 'x');
    ASSERT_TRUE(store.setxattr(id, kUserName, large, XATTR_REPLACE, root()));
    EXPECT_EQ(*store.getxattr(id, kUserName), large);
    EXPECT_NE(store.listxattr(id, root())->find(std::string(kUserName) + '\0'), std::string::npos);
    char direct[4096];
    EXPECT_EQ(::getxattr(path(name).c_str(), kUserName, direct, sizeof direct), 3000);
    ASSERT_TRUE(store.removexattr(id, kUserName));
    EXPECT_EQ(error_of(store.removexattr(id, kUserName)), ENODATA);
  }
}

TEST_F(AttributesTest, AttributesOfASymlinkAreItsOwn) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  write_file("target");
  ASSERT_EQ(::symlink("target", path("link").c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", path("dangling").c_str()), 0);
  auto& store = world_->attributes;
  for (const char* name : {"link", "dangling"}) {
    InodeId id = look_up(name);
    ASSERT_TRUE(store.setxattr(id, kTrustedName, "mine", 0, root()));
    EXPECT_EQ(*store.getxattr(id, kTrustedName), "mine");
    char direct[16];
    EXPECT_EQ(::lgetxattr(path(name).c_str(), kTrustedName, direct, sizeof direct), 4);
    EXPECT_NE(store.listxattr(id, root())->find(kTrustedName), std::string::npos);
    EXPECT_EQ(*store.listxattr(id, {.uid = 1000}), "") << "for root alone";
    EXPECT_EQ(error_of(store.setxattr(id, kUserName, "no", 0, root())), EPERM);
    EXPECT_TRUE(store.removexattr(id, kTrustedName));
  }
  EXPECT_EQ(error_of(store.getxattr(look_up("target"), kTrustedName)), ENODATA);
}

TEST_F(AttributesTest, WhatIsDirtyIsWrittenBeforeCapabilitiesAreSet) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  write_file("file");
  InodeId id = look_up("file");
  give_data(id);
  const std::string capability("\0\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  ASSERT_TRUE(world_->attributes.setxattr(id, kUserName, "any", 0, root()));
  EXPECT_TRUE(world_->hooks.written_back.empty());
  ASSERT_TRUE(world_->attributes.setxattr(id, kCapabilities, capability, 0, root()));
  EXPECT_TRUE(world_->hooks.written_back.contains(id)) << "writeback would take them away";
}

TEST_F(AttributesTest, AttributesWorkOnAFileWithoutAName) {
  write_file("file");
  InodeId id = look_up("file");
  give_data(id);
  ASSERT_TRUE(world_->names.unlink(kRootInode, "file"));
  ASSERT_TRUE(world_->attributes.setxattr(id, kUserName, "late", 0, root()));
  EXPECT_EQ(*world_->attributes.getxattr(id, kUserName), "late");
  EXPECT_EQ(change(id, {.mode = 0600})->stx_mode & 07777, 0600);
}

TEST_F(AttributesTest, FlagsAreReadAndSetOnFilesAndDirectories) {
  write_file("file");
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0644), 0);
  InodeId id = look_up("file");
  auto& store = world_->attributes;
  auto flags = store.file_flags(id, FS_IOC_GETFLAGS, {});
  if (error_of(flags) == ENOTTY) GTEST_SKIP() << "the filesystem has no flags";
  ASSERT_TRUE(flags);
  ASSERT_EQ(flags->size(), sizeof(int));
  EXPECT_EQ(store.file_flags(id, FS_IOC_FSGETXATTR, {})->size(), sizeof(struct fsxattr));
  EXPECT_EQ(error_of(store.file_flags(look_up("fifo"), FS_IOC_GETFLAGS, {})), ENOTTY);
  EXPECT_EQ(error_of(store.file_flags(id, FIFREEZE, {})), ENOTTY);
  EXPECT_EQ(error_of(store.file_flags(id, FS_IOC_SETFLAGS, "x")), EINVAL);

  auto set = [&](unsigned value) {
    std::string argument(reinterpret_cast<const char*>(&value), sizeof value);
    return error_of(store.file_flags(id, FS_IOC_SETFLAGS, argument));
  };
  unsigned before = 0;
  std::memcpy(&before, flags->data(), sizeof before);
  EXPECT_EQ(set(before | FS_NODUMP_FL), 0);
  unsigned after = 0;
  std::memcpy(&after, store.file_flags(id, FS_IOC_GETFLAGS, {})->data(), sizeof after);
  EXPECT_EQ(after, before | FS_NODUMP_FL);
  if (::geteuid() != 0) GTEST_SKIP() << "immutable needs root";
  give_data(id);
  EXPECT_TRUE(world_->hooks.written_back.empty());
  ASSERT_EQ(set(before | FS_IMMUTABLE_FL), 0);
  EXPECT_TRUE(world_->hooks.written_back.contains(id)) << "before writeback is refused";
  EXPECT_EQ(error_of(world_->names.unlink(kRootInode, "file")), EPERM);
  EXPECT_EQ(set(before), 0);
}

TEST_F(AttributesTest, WhatIsPromisedIsNotFree) {
  auto before = world_->attributes.statfs(kRootInode);
  ASSERT_TRUE(before);
  world_->hooks.promised = 1000 * before->f_frsize;
  auto after = world_->attributes.statfs(kRootInode);
  EXPECT_NEAR(static_cast<double>(before->f_bavail - after->f_bavail), 1000, 5000);
  EXPECT_LT(after->f_bavail, before->f_bavail);
  world_->hooks.promised = ~uint64_t{0} / 2;
  EXPECT_EQ(world_->attributes.statfs(kRootInode)->f_bavail, 0u);
}

}  // namespace
}  // namespace ramfs
