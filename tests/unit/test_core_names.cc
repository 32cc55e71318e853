#include <linux/fs.h>
#include <sys/sysmacros.h>

#include <thread>

#include "core_names_fixture.h"

namespace ramfs {
namespace {

TEST_F(NamesTest, LookupFindsWhatTheBackingDirectoryHas) {
  write_file("file", "hello");
  auto entry = world_->names.lookup(kRootInode, "file");
  ASSERT_TRUE(entry);
  struct stat direct {};
  ASSERT_EQ(::stat(path("file").c_str(), &direct), 0);
  EXPECT_EQ(entry->attributes.stx_ino, direct.st_ino);
  EXPECT_EQ(entry->attributes.stx_size, 5u);
  EXPECT_TRUE(entry->attributes.stx_mask & STATX_BTIME);
  EXPECT_EQ(look_up("file"), entry->inode);
}

TEST_F(NamesTest, LookupErrorsAreTheBackingFilesystems) {
  write_file("file");
  EXPECT_EQ(error_of(world_->names.lookup(kRootInode, "none")), ENOENT);
  EXPECT_EQ(error_of(world_->names.lookup(kRootInode, std::string(256, 'n').c_str())),
            ENAMETOOLONG);
  EXPECT_EQ(error_of(world_->names.lookup(look_up("file"), "below")), ENOTDIR);
  EXPECT_EQ(error_of(world_->names.lookup(InodeId{12345}, "any")), ESTALE);
  std::string longest(255, 'n');
  write_file(longest);
  EXPECT_TRUE(world_->names.lookup(kRootInode, longest.c_str()));
}

TEST_F(NamesTest, DotAndDotDotDoNotLeaveTheRoot) {
  InodeId directory = world_->names.mkdir(kRootInode, "d", 0755, root())->inode;
  EXPECT_EQ(look_up(".", directory), directory);
  EXPECT_EQ(look_up("..", directory), kRootInode);
  EXPECT_EQ(look_up("..", kRootInode), kRootInode);
}

TEST_F(NamesTest, AnOverlayIsShownByEveryAnswer) {
  write_file("file", "hello");
  world_->hooks.overlaid = look_up("file");
  world_->hooks.overlaid_size = 77;
  EXPECT_EQ(world_->names.lookup(kRootInode, "file")->attributes.stx_size, 77u);
  EXPECT_EQ(world_->attributes.getattr(world_->hooks.overlaid)->stx_size, 77u);
  EXPECT_EQ(world_->names.link(world_->hooks.overlaid, kRootInode, "l")->attributes.stx_size, 77u);
}

TEST_F(NamesTest, HardLinksAreOneInode) {
  write_file("a", "x");
  InodeId a = look_up("a");
  auto b = world_->names.link(a, kRootInode, "b");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->inode, a);
  EXPECT_EQ(b->attributes.stx_nlink, 2u);
  EXPECT_EQ(look_up("b"), a);
  EXPECT_EQ(error_of(world_->names.link(a, kRootInode, "b")), EEXIST);
  // Four lookups: one each, one of the link, one of b.
  world_->names.forget(a, 2);
  EXPECT_TRUE(inode(a));
  world_->names.forget(a, 1);
  EXPECT_FALSE(inode(a));
}

TEST_F(NamesTest, AFileMadeAnewIsAnotherInode) {
  for (int round = 0; round < 50; ++round) {
    write_file("file", std::to_string(round));
    InodeId before = look_up("file");
    ASSERT_TRUE(world_->names.unlink(kRootInode, "file"));
    write_file("file", "new");  // ext4 takes the same number again
    EXPECT_NE(look_up("file"), before);
  }
}

TEST_F(NamesTest, EveryKindOfNodeCanBeMade) {
  auto& names = world_->names;
  EXPECT_TRUE(
      S_ISFIFO(names.mknod(kRootInode, "fifo", S_IFIFO | 0600, 0, root())->attributes.stx_mode));
  EXPECT_TRUE(
      S_ISSOCK(names.mknod(kRootInode, "sock", S_IFSOCK | 0600, 0, root())->attributes.stx_mode));
  EXPECT_TRUE(
      S_ISREG(names.mknod(kRootInode, "file", S_IFREG | 0600, 0, root())->attributes.stx_mode));
  auto link = names.symlink(kRootInode, "link", "to/nowhere", root());
  ASSERT_TRUE(link);
  EXPECT_TRUE(S_ISLNK(link->attributes.stx_mode));
  EXPECT_EQ(*names.readlink(link->inode), "to/nowhere");
  EXPECT_EQ(error_of(names.mkdir(kRootInode, "fifo", 0755, root())), EEXIST);
  if (::geteuid() != 0) GTEST_SKIP() << "devices need root";
  auto device = names.mknod(kRootInode, "null", S_IFCHR | 0666, makedev(1, 3), root());
  ASSERT_TRUE(device);
  EXPECT_EQ(device->attributes.stx_rdev_minor, 3u);
}

TEST_F(NamesTest, RenameMovesReplacesAndExchanges) {
  write_file("a", "A");
  write_file("b", "B");
  InodeId directory = world_->names.mkdir(kRootInode, "d", 0755, root())->inode;
  InodeId a = look_up("a");
  InodeId b = look_up("b");
  auto& names = world_->names;
  EXPECT_EQ(error_of(names.rename(kRootInode, "a", kRootInode, "b", RENAME_NOREPLACE, root())),
            EEXIST);
  ASSERT_TRUE(names.rename(kRootInode, "a", kRootInode, "b", RENAME_EXCHANGE, root()));
  EXPECT_EQ(read_file("a"), "B");
  EXPECT_EQ(look_up("b"), a);
  EXPECT_EQ(inode(a)->place().name, "b");
  EXPECT_EQ(inode(b)->place().name, "a");
  ASSERT_TRUE(names.rename(kRootInode, "a", directory, "moved", 0, root()));
  EXPECT_EQ(*world_->files.path(*inode(b)), "d/moved");
  ASSERT_TRUE(names.rename(directory, "moved", kRootInode, "b", 0, root()));
  EXPECT_EQ(read_file("b"), "B");
  EXPECT_TRUE(world_->hooks.lost.contains(a));
  EXPECT_EQ(error_of(names.rename(kRootInode, "gone", kRootInode, "x", 0, root())), ENOENT);
  EXPECT_EQ(error_of(names.rename(kRootInode, "d", directory, "d", 0, root())), EINVAL);
}

TEST_F(NamesTest, RenameLeavesAWhiteoutWhenAsked) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  write_file("a");
  auto done = world_->names.rename(kRootInode, "a", kRootInode, "b", RENAME_WHITEOUT, root());
  if (error_of(done) == EINVAL) GTEST_SKIP() << "the filesystem has no whiteouts";
  ASSERT_TRUE(done);
  EXPECT_TRUE(S_ISCHR(world_->names.lookup(kRootInode, "a")->attributes.stx_mode));
}

TEST_F(NamesTest, RenameOverAnExistingFileMakesTheSourceDurableFirst) {
  write_file("old", "old");
  write_file("new", "new");
  InodeId source = look_up("new");
  give_data(source);
  world_->hooks.publish_error = ENOSPC;
  auto& names = world_->names;
  EXPECT_EQ(error_of(names.rename(kRootInode, "new", kRootInode, "old", 0, root())), ENOSPC);
  EXPECT_EQ(read_file("old"), "old");
  world_->hooks.publish_error = 0;
  EXPECT_TRUE(names.rename(kRootInode, "new", kRootInode, "old", 0, root()));
  EXPECT_TRUE(world_->hooks.published.contains(source));
  world_->hooks.published.clear();
  EXPECT_TRUE(names.rename(kRootInode, "old", kRootInode, "free", 0, root()));
  EXPECT_TRUE(world_->hooks.published.empty()) << "a free name needs no sync";
}

TEST_F(NamesTest, RenameBetweenLinksOfOneFileDoesNothing) {
  write_file("a", "x");
  InodeId a = look_up("a");
  give_data(a);
  ASSERT_TRUE(world_->names.link(a, kRootInode, "b"));
  EXPECT_TRUE(world_->names.rename(kRootInode, "a", kRootInode, "b", 0, root()));
  EXPECT_TRUE(exists("a") && exists("b"));
  EXPECT_TRUE(world_->hooks.lost.empty());
  EXPECT_FALSE(inode(a)->pinned());
}

TEST_F(NamesTest, AnOpenFileOutlivesItsLastName) {
  write_file("file", "still here");
  InodeId id = look_up("file");
  give_data(id);
  ASSERT_TRUE(world_->names.unlink(kRootInode, "file"));
  EXPECT_TRUE(world_->hooks.lost.contains(id));
  ASSERT_TRUE(inode(id)->pinned());
  EXPECT_EQ(world_->attributes.getattr(id)->stx_nlink, 0u);
  auto fd = world_->files.open(*inode(id), InodeFiles::Access::write);
  ASSERT_TRUE(fd);
  char text[16];
  EXPECT_EQ(::pread((*fd)->get(), text, sizeof text, 0), 10);
}

// A small one stays until the kernel forgets it: an open() may be on its way.
TEST_F(NamesTest, ASmallFileOutlivesItsNameUntilItIsForgotten) {
  write_file("file");
  InodeId id = look_up("file");
  ASSERT_TRUE(world_->names.unlink(kRootInode, "file"));
  EXPECT_TRUE(world_->attributes.getattr(id));
  world_->names.forget(id, 1);
  EXPECT_EQ(error_of(world_->attributes.getattr(id)), ESTALE);
}

TEST_F(NamesTest, ALargeFileThatIsNotOpenIsGoneWithItsName) {
  write_file("file", std::string(2 << 20, 'x'));
  InodeId id = look_up("file");
  ASSERT_TRUE(world_->attributes.getattr(id));  // now a descriptor is cached
  ASSERT_TRUE(world_->names.unlink(kRootInode, "file"));
  EXPECT_FALSE(inode(id)->pinned());
  EXPECT_EQ(error_of(world_->attributes.getattr(id)), ESTALE);
}

TEST_F(NamesTest, ALargeCachedFileThatIsNotOpenIsGoneWithItsName) {
  write_file("file", std::string(2 << 20, 'x'));
  InodeId id = look_up("file");
  give_data(id);
  world_->hooks.lets_go = true;
  ASSERT_TRUE(world_->names.unlink(kRootInode, "file"));
  EXPECT_TRUE(world_->hooks.lost.contains(id));
  EXPECT_FALSE(inode(id)->pinned()) << "it would keep the space";
}

TEST_F(NamesTest, OneOfTwoLinksGoingPinsNothing) {
  write_file("a");
  InodeId id = look_up("a");
  give_data(id);
  ASSERT_TRUE(world_->names.link(id, kRootInode, "b"));
  ASSERT_TRUE(world_->names.unlink(kRootInode, "a"));
  EXPECT_FALSE(inode(id)->pinned());
  EXPECT_TRUE(world_->hooks.lost.empty());
  EXPECT_TRUE(world_->hooks.changed.contains(id));
  EXPECT_EQ(world_->attributes.getattr(id)->stx_nlink, 1u);
}

TEST_F(NamesTest, AFailedRemovalLeavesNoPin) {
  write_file("file");
  InodeId id = look_up("file");
  give_data(id);
  EXPECT_EQ(error_of(world_->names.rmdir(kRootInode, "file")), ENOTDIR);
  EXPECT_FALSE(inode(id)->pinned());
  InodeId directory = world_->names.mkdir(kRootInode, "d", 0755, root())->inode;
  ASSERT_TRUE(world_->names.mkdir(directory, "below", 0755, root()));
  EXPECT_EQ(error_of(world_->names.rmdir(kRootInode, "d")), ENOTEMPTY);
  EXPECT_EQ(error_of(world_->names.unlink(kRootInode, "d")), EISDIR);
  EXPECT_FALSE(inode(directory)->pinned());
}

TEST_F(NamesTest, ARemovedDirectoryCanStillBeAsked) {
  InodeId id = world_->names.mkdir(kRootInode, "d", 0755, root())->inode;
  ASSERT_TRUE(world_->names.rmdir(kRootInode, "d"));
  EXPECT_EQ(world_->attributes.getattr(id)->stx_nlink, 0u);
  EXPECT_EQ(error_of(world_->names.mkdir(id, "below", 0755, root())), ENOENT);
  world_->names.forget(id, 1);
  EXPECT_FALSE(inode(id));
}

TEST_F(NamesTest, AnUnnamedFileGetsAName) {
  Fd file(::open(directory_.path().c_str(), O_TMPFILE | O_RDWR, 0644));
  if (!file) GTEST_SKIP() << "no O_TMPFILE here";
  auto found = world_->names.remember(nullptr, nullptr, file.get());
  ASSERT_TRUE(found);
  InodeId id = found->inode->id;
  found->inode->pin(std::make_shared<const Fd>(std::move(file)));
  give_data(id);
  auto entry = world_->names.link(id, kRootInode, "named");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->inode, id);
  EXPECT_TRUE(world_->hooks.published.contains(id));
  EXPECT_TRUE(world_->hooks.gained.contains(id));
  EXPECT_FALSE(inode(id)->pinned());
  EXPECT_EQ(look_up("named"), id);
}

// Pins follow the names, whoever is last.
TEST_F(NamesTest, LinksAndUnlinksAtOnceLeaveTheRightPin) {
  for (int round = 0; round < 200; ++round) {
    write_file("a");
    InodeId id = look_up("a");
    give_data(id);
    ASSERT_TRUE(world_->names.link(id, kRootInode, "b"));
    {
      std::jthread one([&] { EXPECT_TRUE(world_->names.unlink(kRootInode, "a")); });
      std::jthread two([&] { EXPECT_TRUE(world_->names.unlink(kRootInode, "b")); });
      std::jthread three([&] { (void)world_->names.link(id, kRootInode, "c"); });
    }
    bool named = exists("c");
    EXPECT_EQ(inode(id)->pinned() == nullptr, named);
    EXPECT_EQ(world_->attributes.getattr(id)->stx_nlink, named ? 1u : 0u);
    if (named) {
      ASSERT_TRUE(world_->names.unlink(kRootInode, "c"));
    }
  }
}

TEST_F(NamesTest, CachedDescriptorsStayWithinTheirBound) {
  for (int number = 0; number < 1000; ++number) {
    auto entry = world_->names.mkdir(kRootInode, std::to_string(number).c_str(), 0755, root());
    ASSERT_TRUE(entry);
    ASSERT_TRUE(world_->attributes.getattr(entry->inode));
  }
  EXPECT_LE(world_->files.size(), 192u);
}

}  // namespace
}  // namespace ramfs
