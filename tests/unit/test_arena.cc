#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <thread>

#include <fmt/core.h>

#include "ramfs/arena/arena.h"
#include "ramfs/os/sys.h"

namespace ramfs {
namespace {

namespace fs = std::filesystem;

// A place for an arena in shared memory, gone after the test.
class Place {
 public:
  Place() {
    std::string pattern = "/dev/shm/ramfs-arena-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~Place() { fs::remove_all(directory_); }
  std::string arena() const { return directory_ + "/arena"; }
  ArenaOptions options(uint64_t ledger_bytes = 16 << 20) const {
    return {.directory = arena(),
            .budget_bytes = 1 << 20,
            .mount_tmpfs = false,
            .ledger_bytes = ledger_bytes};
  }

 private:
  std::string directory_;
};

FileKey some_key(uint64_t number) {
  return FileKey::from_path(std::string(number % 150, 'd') + fmt::format("/{}", number));
}

struct Model {
  FileKey file;
  bool noted = false;
  uint64_t size = 0;
  Timestamp mtime;
  ExtentSet dirty;
};
using Models = std::map<SlotId, Model>;

void check_survivors(Arena& arena, const Models& models) {
  auto survivors = arena.survivors();
  size_t expected = 0;
  for (const auto& [slot, model] : models) expected += model.noted;
  RC_ASSERT(survivors.size() == expected);
  for (const SurvivingSlot& survivor : survivors) {
    auto found = models.find(survivor.slot);
    RC_ASSERT(found != models.end());
    const Model& model = found->second;
    RC_ASSERT(survivor.file == model.file);
    RC_ASSERT(survivor.size == model.size);
    RC_ASSERT(survivor.mtime == model.mtime);
    RC_ASSERT(survivor.dirty == model.dirty);
  }
}

Extent some_extent() {
  auto begin = *rc::gen::inRange<uint64_t>(0, 1000);
  auto length = *rc::gen::inRange<uint64_t>(1, 100);
  return {begin, begin + length};
}

// One random call, told to the arena and to the model.
void random_step(Arena& arena, Models& models, int64_t time) {
  int what = *rc::gen::inRange(0, 20);
  if (models.empty() || what == 0) {
    FileKey key = some_key(*rc::gen::inRange<uint64_t>(0, 1000));
    auto slot = arena.create(key);
    RC_ASSERT(slot.has_value());
    RC_ASSERT(!models.contains(*slot));
    models[*slot].file = key;
    return;
  }
  auto chosen = std::next(models.begin(), *rc::gen::inRange<size_t>(0, models.size()));
  auto& [slot, model] = *chosen;
  if (what == 1) {
    arena.discard(slot);
    models.erase(chosen);
    return;
  }
  if (what < 5) {
    ExtentSet clean(some_extent());
    clean.add(some_extent());
    clean.add(some_extent());
    model.dirty.remove(clean);
    arena.note_clean(slot, clean);
    return;
  }
  model.noted = true;
  model.mtime = {time};
  if (what < 8) {
    model.size = *rc::gen::inRange<uint64_t>(0, 1200);
    model.dirty.remove({model.size, UINT64_MAX});
    arena.note_size(slot, model.size, model.mtime);
    return;
  }
  Extent extent = some_extent();
  if (what < 14) extent = {model.size, model.size + 10};
  model.size = std::max(model.size, extent.end);
  model.dirty.add(extent);
  arena.note_write(slot, extent, model.size, model.mtime);
}

// Whatever was noted is there after the next start, however often the ledger was rewritten.
TEST(Arena, RemembersEverySlotAcrossRestarts) {
  ASSERT_TRUE(rc::check([] {
    Place place;
    Models models;
    int64_t time = 0;
    for (int life = 0; life < 3; ++life) {
      Arena arena(place.options(4096));
      check_survivors(arena, models);
      std::erase_if(models, [](const auto& item) { return !item.second.noted; });
      int steps = *rc::gen::inRange(0, 400);
      for (int step = 0; step < steps; ++step) random_step(arena, models, time += step % 3 == 0);
      RC_ASSERT(arena.slots() == models.size());
    }
    Arena arena(place.options(4096));
    check_survivors(arena, models);
  }));
}

TEST(Arena, KeepsTheDataOfASlot) {
  Place place;
  SlotId slot;
  std::string text = "what was written";
  {
    Arena arena(place.options());
    slot = *arena.create(some_key(1));
    auto file = arena.open(slot);
    ASSERT_TRUE(sys::write_at((*file)->get(), std::as_bytes(std::span(text)), 1 << 20));
    arena.note_write(slot, {1 << 20, (1 << 20) + text.size()}, (1 << 20) + text.size(), {5});
  }
  Arena arena(place.options());
  ASSERT_EQ(arena.survivors().size(), 1u);
  EXPECT_GT(*arena.create(some_key(2)), slot) << "ids are never used twice";
  std::string found(text.size(), ' ');
  auto file = arena.open(slot);
  ASSERT_TRUE(sys::read_at((*file)->get(), std::as_writable_bytes(std::span(found)), 1 << 20));
  EXPECT_EQ(found, text);
}

TEST(Arena, LeavesNothingBehindWhenEmpty) {
  Place place;
  {
    Arena arena(place.options());
    SlotId slot = *arena.create(some_key(1));
    arena.note_write(slot, {0, 5}, 5, {1});
    arena.discard(slot);
    EXPECT_FALSE(arena.open(slot));
  }
  EXPECT_FALSE(fs::exists(place.arena()));
}

TEST(Arena, BelongsToOneDaemon) {
  Place place;
  Arena arena(place.options());
  try {
    Arena second(place.options());
    FAIL() << "the second daemon came in";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string(error.what()),
              fmt::format("arena {} is used by another daemon", place.arena()));
  }
}

TEST(Arena, IsPrivate) {
  Place place;
  fs::create_directory(place.arena());
  ::chmod(place.arena().c_str(), 0755);
  Arena arena(place.options());
  EXPECT_EQ(sys::stat_at(AT_FDCWD, place.arena().c_str())->stx_mode & 07777, 0700);
}

TEST(Arena, RefusesASymlink) {
  Place place;
  fs::create_directory_symlink("/dev/shm", place.arena());
  EXPECT_THROW(Arena(place.options()), std::runtime_error);
}

TEST(Arena, CountsItsBudget) {
  Place place;
  Arena arena(place.options());
  EXPECT_TRUE(arena.try_charge(1 << 20));
  EXPECT_FALSE(arena.try_charge(1));
  arena.charge(10);
  EXPECT_FALSE(arena.try_charge(0));
  EXPECT_EQ(arena.used_bytes(), (1u << 20) + 10);
  arena.uncharge(1000);
  EXPECT_TRUE(arena.try_charge(990));
  EXPECT_FALSE(arena.try_charge(1));
}

TEST(Arena, MountsATmpfsThatOutlivesIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  Place place;
  ArenaOptions options = place.options();
  options.mount_tmpfs = true;
  SlotId slot{};
  try {
    Arena arena(options);
    slot = *arena.create(some_key(1));
    arena.note_write(slot, {0, 1}, 1, {1});
  } catch (const std::runtime_error& error) {
    GTEST_SKIP() << error.what();
  }
  auto mounted = [&] {
    return sys::stat_at(AT_FDCWD, place.arena().c_str())->stx_attributes & STATX_ATTR_MOUNT_ROOT;
  };
  EXPECT_TRUE(mounted());
  {
    Arena arena(options);
    ASSERT_EQ(arena.survivors().size(), 1u);
    EXPECT_THROW(Arena{options}, std::runtime_error);
    arena.discard(slot);
  }
  EXPECT_FALSE(fs::exists(place.arena()));
}

// Cuts the file somewhere and overwrites some bytes.
void damage(const fs::path& path, uint64_t size) {
  if (*rc::gen::arbitrary<bool>()) fs::resize_file(path, *rc::gen::inRange<uint64_t>(0, size + 1));
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  for (int hit = 0; hit < 8; ++hit) {
    file.seekp(*rc::gen::inRange<int64_t>(0, 3000));
    file.put(*rc::gen::arbitrary<char>());
  }
}

// Any damage to the ledger costs at most what it damages, and never the start.
TEST(Arena, StartsWithADamagedLedger) {
  ASSERT_TRUE(rc::check([] {
    Place place;
    {
      Arena arena(place.options(4096));
      RC_ASSERT(arena.create(some_key(0)).has_value());
      Models models;
      for (int step = 0; step < 60; ++step) random_step(arena, models, step);
    }
    for (const auto& item : fs::directory_iterator(place.arena())) {
      if (item.is_regular_file()) damage(item.path(), item.file_size());
    }
    Arena arena(place.options(4096));
    for (const SurvivingSlot& survivor : arena.survivors()) arena.discard(survivor.slot);
    RC_ASSERT(arena.slots() == 0u);
  }));
}

TEST(Arena, NotesFromManyThreads) {
  Place place;
  constexpr uint64_t kWrites = 3000;
  {
    Arena arena(place.options(64 << 10));
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        SlotId slot = *arena.create(some_key(thread));
        for (uint64_t step = 0; step < kWrites; ++step) {
          arena.note_write(slot, {step * 20, step * 20 + 10}, step * 20 + 10, {1});
          SlotId other = *arena.create(some_key(thread));
          arena.discard(other);
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
  Arena arena(place.options());
  auto survivors = arena.survivors();
  ASSERT_EQ(survivors.size(), 4u);
  for (const SurvivingSlot& survivor : survivors) EXPECT_EQ(survivor.dirty.total(), kWrites * 10);
}

}  // namespace
}  // namespace ramfs
