#include <sys/stat.h>

#include <atomic>
#include <map>
#include <thread>

#include "core_names_fixture.h"

namespace ramfs {
namespace {

class DirectoriesTest : public NamesTest {
 protected:
  // All names in small pieces, as the kernel asks; `between` runs after each piece.
  std::map<std::string, int> list(Handle handle, size_t piece, bool plus = false,
                                  const std::function<void()>& between = nullptr) {
    std::map<std::string, int> seen;
    uint64_t offset = 0;
    for (bool more = true; more;) {
      size_t room = piece;
      more = false;
      auto done = world_->directories.readdir(handle, offset, plus, [&](const DirectoryItem& item) {
        if (room == 0) return false;
        --room;
        more = true;
        offset = item.next;
        std::string name(item.name);
        ++seen[name];
        bool dot = name == "." || name == "..";
        EXPECT_EQ(item.entry != nullptr, plus && !dot) << name;
        if (item.entry) {
          EXPECT_EQ(item.entry->attributes.stx_ino, item.number);
          entries_.push_back(item.entry->inode);
        }
        return true;
      });
      EXPECT_TRUE(done);
      if (between) between();
    }
    return seen;
  }

  std::vector<InodeId> entries_;
};

TEST_F(DirectoriesTest, EveryNameComesOnceHoweverSmallThePieces) {
  for (int number = 0; number < 300; ++number) write_file("file-" + std::to_string(number));
  Handle handle = *world_->directories.opendir(kRootInode);
  for (size_t piece : {1, 7, 1000}) {
    auto seen = list(handle, piece);
    EXPECT_EQ(seen.size(), 302u);
    for (const auto& [name, count] : seen) EXPECT_EQ(count, 1) << name;
  }
  world_->directories.releasedir(handle);
  EXPECT_EQ(error_of(world_->directories.readdir(handle, 0, false, nullptr)), EBADF);
}

TEST_F(DirectoriesTest, WhatStaysIsSeenOnceWhileOthersComeAndGo) {
  for (int number = 0; number < 1000; ++number) write_file("stays-" + std::to_string(number));
  for (int number = 0; number < 400; ++number) write_file("goes-" + std::to_string(number));
  Handle handle = *world_->directories.opendir(kRootInode);
  int step = 0;
  auto seen = list(handle, 10, false, [&] {
    if (step >= 130) return;
    for (int number = step * 3; number < step * 3 + 3; ++number) {
      ::unlink(path("goes-" + std::to_string(number)).c_str());
      write_file("comes-" + std::to_string(number));
    }
    ++step;
  });
  for (int number = 0; number < 1000; ++number) {
    EXPECT_EQ(seen["stays-" + std::to_string(number)], 1);
  }
  for (const auto& [name, count] : seen) EXPECT_EQ(count, 1) << name;
}

TEST_F(DirectoriesTest, RewindingShowsWhatWasMadeSince) {
  Handle handle = *world_->directories.opendir(kRootInode);
  EXPECT_EQ(list(handle, 100).size(), 2u);
  write_file("new");
  EXPECT_TRUE(list(handle, 100).contains("new"));
}

TEST_F(DirectoriesTest, AnOffsetCanBeComeBackTo) {
  for (int number = 0; number < 20; ++number) write_file("file-" + std::to_string(number));
  Handle handle = *world_->directories.opendir(kRootInode);
  std::vector<std::pair<std::string, uint64_t>> all;
  auto collect = [&](uint64_t offset, std::vector<std::pair<std::string, uint64_t>>& into) {
    return world_->directories.readdir(handle, offset, false, [&](const DirectoryItem& item) {
      into.emplace_back(item.name, item.next);
      return true;
    });
  };
  ASSERT_TRUE(collect(0, all));
  ASSERT_EQ(all.size(), 22u);
  std::vector<std::pair<std::string, uint64_t>> again;
  ASSERT_TRUE(collect(all[10].second, again));
  EXPECT_EQ(again, decltype(all)(all.begin() + 11, all.end()));
}

TEST_F(DirectoriesTest, EntriesComeWithOneLookupEachThatWasTaken) {
  for (int number = 0; number < 50; ++number) write_file("file-" + std::to_string(number));
  Handle handle = *world_->directories.opendir(kRootInode);
  auto seen = list(handle, 7, true);
  EXPECT_EQ(seen.size(), 52u);
  EXPECT_EQ(world_->table.size(), 51u);
  for (InodeId id : entries_) world_->names.forget(id, 1);
  EXPECT_EQ(world_->table.size(), 1u) << "refused entries were not counted";
}

TEST_F(DirectoriesTest, ErrorsAreTheBackingFilesystems) {
  write_file("file");
  EXPECT_EQ(error_of(world_->directories.opendir(look_up("file"))), ENOTDIR);
  EXPECT_EQ(error_of(world_->directories.opendir(InodeId{999})), ESTALE);
  Handle handle = *world_->directories.opendir(kRootInode);
  EXPECT_TRUE(world_->directories.fsyncdir(handle));
  EXPECT_EQ(error_of(world_->directories.fsyncdir(Handle{999})), EBADF);
}

TEST_F(DirectoriesTest, ARemovedDirectoryHasNothingToRead) {
  InodeId id = world_->names.mkdir(kRootInode, "d", 0755, root())->inode;
  Handle handle = *world_->directories.opendir(id);
  ASSERT_TRUE(world_->names.rmdir(kRootInode, "d"));
  EXPECT_EQ(error_of(world_->directories.readdir(handle, 0, false,
                                                 [](const DirectoryItem&) { return true; })),
            ENOENT);
}

// For the thread sanitizer: everything at once on few names.
TEST_F(DirectoriesTest, ManyThreadsMayDoEverythingAtOnce) {
  InodeId below = world_->names.mkdir(kRootInode, "d", 0755, root())->inode;
  auto work = [&](unsigned seed) {
    auto& names = world_->names;
    for (unsigned round = 0; round < 150; ++round) {
      std::string name = "n" + std::to_string((round * 7 + seed) % 4);
      InodeId parent = (round + seed) % 2 ? kRootInode : below;
      if (auto made = names.mknod(parent, name.c_str(), S_IFREG | 0644, 0, root())) {
        (void)world_->attributes.setattr(made->inode, {.mode = 0600}, root());
        names.forget(made->inode, 1);
      }
      if (auto found = names.lookup(parent, name.c_str())) {
        if (round % 3 == 0) give_data(found->inode);
        (void)world_->attributes.getattr(found->inode);
        if (auto linked = names.link(found->inode, below, ("l" + name).c_str())) {
          names.forget(linked->inode, 1);
        }
        names.forget(found->inode, 1);
      }
      (void)names.rename(parent, name.c_str(), below, ("m" + name).c_str(), 0, root());
      if (auto handle = world_->directories.opendir(below)) {
        (void)world_->directories.readdir(*handle, 0, true, [&](const DirectoryItem& item) {
          if (item.entry) names.forget(item.entry->inode, 1);
          return true;
        });
        world_->directories.releasedir(*handle);
      }
      (void)names.unlink(below, ("l" + name).c_str());
      (void)names.unlink(parent, name.c_str());
      (void)names.unlink(below, ("m" + name).c_str());
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) threads.emplace_back(work, seed);
  }
  std::vector<InodePtr> left;
  world_->table.for_each_with_data([&](const InodePtr& inode) { left.push_back(inode); });
  for (const InodePtr& inode : left) {
    inode->set_data(nullptr);
    world_->table.release(inode);
  }
  EXPECT_EQ(world_->table.size(), 2u) << "the root and d";
}

}  // namespace
}  // namespace ramfs
