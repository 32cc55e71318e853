// The same namespace where files cannot be found by handle: by the names that led to them.

#include <linux/capability.h>
#include <sys/syscall.h>

#include "core_names_fixture.h"

namespace ramfs {
namespace {

// While it lives, this thread may not open by handle.
class WithoutHandles {
 public:
  WithoutHandles() {
    ::syscall(SYS_capget, &header_, before_);
    __user_cap_data_struct less[2] = {before_[0], before_[1]};
    less[0].effective &= ~(1u << CAP_DAC_READ_SEARCH | 1u << CAP_SYS_ADMIN);
    ::syscall(SYS_capset, &header_, less);
  }
  ~WithoutHandles() { ::syscall(SYS_capset, &header_, before_); }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2]{};
};

class PathsTest : public NamesTest {
 protected:
  PathsTest() {
    world_ = std::make_unique<World>(directory_.path());
    EXPECT_FALSE(world_->backing.has_handles());
  }
  // So that the next use must find the file again.
  void forget_descriptors(InodeId id) { world_->files.drop(*inode(id)); }

  WithoutHandles without_;
};

TEST_F(PathsTest, FilesAreFoundAgainByTheirNames) {
  ASSERT_TRUE(world_->names.mkdir(kRootInode, "a", 0755, root()));
  InodeId a = look_up("a");
  ASSERT_TRUE(world_->names.mkdir(a, "b", 0755, root()));
  InodeId b = look_up("b", a);
  write_file("a/b/c", "text");
  InodeId c = look_up("c", b);
  EXPECT_EQ(inode(c)->key.path(), "a/b/c");
  EXPECT_EQ(*world_->files.path(*inode(c)), "a/b/c");
  for (InodeId id : {a, b, c}) forget_descriptors(id);
  EXPECT_EQ(world_->attributes.getattr(c)->stx_size, 4u);
}

TEST_F(PathsTest, ARenamedDirectoryTakesItsFilesAlong) {
  InodeId a = world_->names.mkdir(kRootInode, "a", 0755, root())->inode;
  write_file("a/file", "text");
  InodeId file = look_up("file", a);
  ASSERT_TRUE(world_->names.rename(kRootInode, "a", kRootInode, "z", 0, root()));
  EXPECT_TRUE(world_->hooks.written_back.contains(a)) << "keys below go stale";
  forget_descriptors(a);
  forget_descriptors(file);
  EXPECT_EQ(*world_->files.path(*inode(file)), "z/file");
  EXPECT_EQ(world_->attributes.getattr(file)->stx_size, 4u);
  EXPECT_EQ(look_up("z"), a);
}

TEST_F(PathsTest, AnotherFileOfTheSameNameIsNotTakenForIt) {
  write_file("file", "old");
  InodeId file = look_up("file");
  write_file("other", "new");
  ASSERT_EQ(::rename(path("other").c_str(), path("file").c_str()), 0);
  forget_descriptors(file);
  EXPECT_EQ(error_of(world_->attributes.getattr(file)), ESTALE);
  EXPECT_NE(look_up("file"), file);
}

TEST_F(PathsTest, ANumberUsedAgainIsANewInode) {
  for (int round = 0; round < 20; ++round) {
    write_file("file");
    InodeId before = look_up("file");
    ASSERT_TRUE(world_->names.unlink(kRootInode, "file"));
    write_file("file");
    EXPECT_NE(look_up("file"), before);
  }
}

TEST_F(PathsTest, ASymlinkOnTheWayIsNotFollowed) {
  InodeId a = world_->names.mkdir(kRootInode, "a", 0755, root())->inode;
  write_file("a/file", "text");
  InodeId file = look_up("file", a);
  ASSERT_EQ(::rename(path("a").c_str(), path("b").c_str()), 0);
  ASSERT_EQ(::symlink("b", path("a").c_str()), 0);
  forget_descriptors(a);
  forget_descriptors(file);
  EXPECT_NE(error_of(world_->attributes.getattr(file)), 0);
}

TEST_F(PathsTest, AnOpenFileOutlivesItsLastName) {
  write_file("file", "still here");
  InodeId id = look_up("file");
  give_data(id);
  ASSERT_TRUE(world_->names.unlink(kRootInode, "file"));
  EXPECT_EQ(world_->attributes.getattr(id)->stx_size, 10u);
}

}  // namespace
}  // namespace ramfs
