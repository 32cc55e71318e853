#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include <fmt/core.h>

#include "ramfs/arena/arena.h"

namespace ramfs {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFiles = 8;
constexpr uint64_t kBlock = 10;
constexpr uint64_t kGap = 7;  // between blocks, so that extents do not merge

// What the victim has finished saying, in memory that it shares with the test. One file is one
// sequence of calls; call n of a file is a fixed thing (see `say`), so the number tells all.
struct Said {
  std::atomic<uint64_t> calls[kFiles];
  std::atomic<uint64_t> slot[kFiles];
};

uint64_t block_begin(uint64_t number) {
  return number * (kBlock + kGap);
}

// Call `n` of a file: three writes of new blocks, of which the second is written back at once.
void say(Arena& arena, SlotId slot, uint64_t n) {
  if (n % 4 == 2) {
    arena.note_clean(slot, ExtentSet({block_begin(n - 1), block_begin(n - 1) + kBlock}));
    return;
  }
  uint64_t end = block_begin(n) + kBlock;
  arena.note_write(slot, {block_begin(n), end}, end, {static_cast<int64_t>(n)});
}

ExtentSet dirty_after(uint64_t calls) {
  ExtentSet dirty;
  for (uint64_t n = 0; n < calls; ++n) {
    Extent block{block_begin(n), block_begin(n) + kBlock};
    if (n % 4 == 2) {
      dirty.remove({block_begin(n - 1), block_begin(n - 1) + kBlock});
    } else {
      dirty.add(block);
    }
  }
  return dirty;
}

[[noreturn]] void be_the_victim(const ArenaOptions& options, Said& said) {
  Arena arena(options);
  std::thread threads[2];
  for (size_t half = 0; half < 2; ++half) {
    threads[half] = std::thread([&, half] {
      for (size_t file = half; file < kFiles; file += 2) {
        auto slot = arena.create(FileKey::from_path(fmt::format("file {}", file)));
        said.slot[file] = static_cast<uint64_t>(*slot);
      }
      // Old ones go and new ones come: what is rewritten is not the same each time.
      for (uint64_t n = 0; n < 100'000; ++n) {
        size_t file = half + n % (kFiles / 2) * 2;
        say(arena, SlotId{said.slot[file].load()}, said.calls[file]);
        said.calls[file].fetch_add(1);
        auto passing = arena.create(FileKey::from_path("passing"));
        arena.note_write(*passing, {0, 1}, 1, {1});
        arena.discard(*passing);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ::_exit(0);
}

// A call under way when the victim died may have counted or not; every one before it counts.
void check(const SurvivingSlot& survivor, uint64_t calls) {
  ExtentSet without = dirty_after(calls), with = dirty_after(calls + 1);
  EXPECT_TRUE(survivor.dirty == without || survivor.dirty == with)
      << survivor.file.to_string() << " after " << calls << " calls";
  uint64_t last_write = calls - 1;
  if (last_write % 4 == 2) --last_write;
  uint64_t next_write = calls % 4 == 2 ? last_write : calls;
  uint64_t size = block_begin(last_write) + kBlock, next = block_begin(next_write) + kBlock;
  EXPECT_TRUE(survivor.size == size || survivor.size == next) << survivor.size;
}

// A daemon killed at any moment loses nothing that it has noted, and invents nothing.
TEST(ArenaKill, LosesNoAcknowledgedNote) {
  std::string pattern = "/dev/shm/ramfs-kill-XXXXXX";
  std::string directory = ::mkdtemp(pattern.data());
  void* memory =
      ::mmap(nullptr, sizeof(Said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    ArenaOptions options{.directory = directory + "/arena",
                         .budget_bytes = 1 << 20,
                         .mount_tmpfs = false,
                         .ledger_bytes = 8192};
    auto* said = new (memory) Said{};
    pid_t victim = ::fork();
    if (victim == 0) be_the_victim(options, *said);
    ::usleep(random() % 20'000);
    ::kill(victim, SIGKILL);
    ::waitpid(victim, nullptr, 0);

    Arena arena(options);
    std::map<uint64_t, size_t> file_of;
    for (size_t file = 0; file < kFiles; ++file) file_of[said->slot[file]] = file;
    size_t found = 0, expected = 0;
    for (size_t file = 0; file < kFiles; ++file) expected += said->calls[file] > 0;
    for (const SurvivingSlot& survivor : arena.survivors()) {
      auto file = file_of.find(static_cast<uint64_t>(survivor.slot));
      arena.discard(survivor.slot);
      if (file == file_of.end() || said->calls[file->second] == 0) continue;  // was under way
      ++found;
      check(survivor, said->calls[file->second]);
      EXPECT_EQ(survivor.file, FileKey::from_path(fmt::format("file {}", file->second)));
    }
    EXPECT_EQ(found, expected) << "round " << round;
  }
  ::munmap(memory, sizeof(Said));
  fs::remove_all(directory);
}

}  // namespace
}  // namespace ramfs
