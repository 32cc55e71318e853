#include <malloc.h>

#include <atomic>
#include <thread>

#include "core_names_fixture.h"

namespace ramfs {
namespace {

sys::Attributes numbered(uint64_t number, uint16_t type = S_IFREG) {
  sys::Attributes result{};
  result.stx_ino = number;
  result.stx_mode = type;
  result.stx_dev_major = 8;
  return result;
}

FileKey handle(uint64_t number, uint32_t generation = 1) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &number, 4);
  std::memcpy(bytes.data() + 4, &generation, 4);
  return FileKey::from_handle(1, bytes);
}

TEST(InodeTable, TheSameFileIsTheSameInode) {
  InodeTable table;
  InodePtr inode = table.remember(numbered(5), handle(5), 1);
  EXPECT_EQ(table.remember(numbered(5), handle(5), 1), inode);
  EXPECT_EQ(table.find(inode->id), inode);
  EXPECT_EQ(table.find(inode->device, 5, handle(5)), inode);
  EXPECT_NE(table.remember(numbered(5), handle(5, 2), 1), inode) << "another generation";
  EXPECT_EQ(table.size(), 2u);
}

TEST(InodeTable, TheRootIsFoundAndNeverForgotten) {
  InodeTable table;
  InodePtr root = table.add_root(numbered(2, S_IFDIR), handle(2));
  EXPECT_EQ(root->id, kRootInode);
  EXPECT_EQ(table.remember(numbered(2, S_IFDIR), handle(2), 3), root);
  EXPECT_EQ(table.forget(kRootInode, 100), nullptr);
  EXPECT_EQ(table.find(kRootInode), root);
}

TEST(InodeTable, ForgottenInodesLeaveUnlessTheyHaveData) {
  InodeTable table;
  InodePtr inode = table.remember(numbered(5), handle(5), 3);
  EXPECT_EQ(table.forget(inode->id, 2), nullptr);
  inode->set_data({std::make_shared<int>(), reinterpret_cast<FileData*>(alignof(int))});
  EXPECT_EQ(table.forget(inode->id, 1), nullptr);
  EXPECT_EQ(table.find(inode->id), inode);
  size_t seen = 0;
  table.for_each_with_data([&](const InodePtr&) { ++seen; });
  EXPECT_EQ(seen, 1u);
  EXPECT_FALSE(table.release(inode));
  inode->set_data(nullptr);
  EXPECT_TRUE(table.release(inode));
  EXPECT_EQ(table.find(inode->id), nullptr);
  EXPECT_NE(table.remember(numbered(5), handle(5), 1)->id, inode->id) << "ids are not reused";
}

TEST(InodeTable, ANumberUsedAgainIsAnotherFile) {
  InodeTable table;
  InodePtr before = table.remember(numbered(5), FileKey::from_path("a"), 1);
  table.disown(before);
  InodePtr after = table.remember(numbered(5), FileKey::from_path("b"), 1);
  EXPECT_NE(after, before);
  EXPECT_EQ(table.find(before->id), before) << "the kernel still knows it";
  EXPECT_EQ(table.forget(before->id, 1), before);
  EXPECT_EQ(table.find(after->device, 5, FileKey::from_path("c")), after);
  InodePtr directory = table.remember(numbered(5, S_IFDIR), FileKey::from_path("b"), 1);
  EXPECT_NE(directory, after) << "a file does not become a directory";
}

// What the kernel does: it forgets as often as it was told, while others look the same file up.
TEST(InodeTable, AForgetNeverLosesALookupOfAnother) {
  InodeTable table;
  std::atomic<uint64_t> lost{0};
  auto kernel = [&](unsigned seed) {
    for (int round = 0; round < 20000; ++round) {
      uint64_t number = (round * 7 + seed) % 3;
      InodePtr inode = table.remember(numbered(number), handle(number), 1);
      if (table.find(inode->id) != inode) ++lost;
      if (round % 4 == 0) {
        InodePtr again = table.remember(numbered(number), handle(number), 1);
        if (again != inode) ++lost;
        table.forget(inode->id, 2);
      } else {
        table.forget(inode->id, 1);
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 0; seed < 4; ++seed) threads.emplace_back(kernel, seed);
  }
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(table.size(), 0u);
}

TEST(InodeTable, AMillionInodesTakeLessThanAKilobyteEach) {
  constexpr uint64_t kInodes = 1'000'000;
  size_t before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
  InodeTable table;
  for (uint64_t number = 0; number < kInodes; ++number) {
    InodePtr inode = table.remember(numbered(number), handle(number), 1);
    inode->set_place({kRootInode, "a-name-of-usual-length-" + std::to_string(number)});
  }
  size_t bytes = ::mallinfo2().uordblks + ::mallinfo2().hblkhd - before;
  RecordProperty("bytes_per_inode", static_cast<int>(bytes / kInodes));
  std::cout << "bytes per inode: " << bytes / kInodes << '\n';
  EXPECT_EQ(table.size(), kInodes);
  EXPECT_LT(bytes / kInodes, 1024u);
}

}  // namespace
}  // namespace ramfs
