#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <rapidcheck.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>

#include "ramfs/arena/arena.h"
#include "ramfs/core/filesystem.h"
#include "ramfs/log/log.h"
#include "ramfs/os/backing.h"

namespace ramfs {
namespace {

namespace fs = std::filesystem;

// A whole filesystem without a kernel in front of it: real backing directory, arena and log.
class World {
 public:
  explicit World(CoreOptions options = small()) : options_(options) {
    char name[] = "/tmp/ramfs-core-XXXXXX";
    root_ = ::mkdtemp(name);
    char shm[] = "/dev/shm/ramfs-core-XXXXXX";
    arena_dir_ = ::mkdtemp(shm);
    fs::create_directory(root_ / "data");
    start();
  }
  ~World() {
    stop();
    fs::remove_all(root_);
    fs::remove_all(arena_dir_);
  }

  static CoreOptions small() {
    CoreOptions options;
    options.arena_bytes = 1 << 20;
    options.dirty_bytes = 512 << 10;
    options.slot_max_bytes = 256 << 10;
    options.commit_interval = std::chrono::milliseconds(20);
    options.writeback_age = std::chrono::milliseconds(60);
    return options;
  }

  void start() {
    backing_ = std::make_unique<Backing>((root_ / "data").string());
    arena_ = std::make_unique<Arena>(
        ArenaOptions{(arena_dir_ / "arena").string(), options_.arena_bytes, false});
    log_ = Log::open({.directory = (root_ / "log").string()});
    filesystem_ = std::make_unique<Filesystem>(options_, *backing_, *arena_, *log_);
  }
  // As a kill of the daemon: nothing is flushed.
  void stop() {
    filesystem_.reset();
    log_.reset();
    arena_.reset();
    backing_.reset();
  }
  void lose_arena() { fs::remove_all(arena_dir_ / "arena"); }
  void flush() {
    ASSERT_TRUE(filesystem_->flush_everything([](const WritebackProgress&) {}));
  }

  Filesystem& operator*() { return *filesystem_; }
  Filesystem* operator->() { return filesystem_.get(); }
  fs::path below(const std::string& name) const { return root_ / "data" / name; }

 private:
  CoreOptions options_;
  fs::path root_;
  fs::path arena_dir_;
  std::unique_ptr<Backing> backing_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Filesystem> filesystem_;
};

std::string slurp(const fs::path& path) {
  std::string content(fs::file_size(path), '\0');
  int fd = ::open(path.c_str(), O_RDONLY);
  EXPECT_EQ(::read(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  ::close(fd);
  return content;
}

Handle open_file(World& world, const char* name) {
  auto entry = world->lookup(kRootInode, name);
  if (!entry) {
    auto created = world->create(kRootInode, name, 0644, O_RDWR | O_CREAT, {});
    EXPECT_TRUE(created) << error_text(created.error());
    return created->opened.handle;
  }
  auto opened = world->open(entry->inode, O_RDWR, false);
  EXPECT_TRUE(opened) << error_text(opened.error());
  return opened->handle;
}

InodeId inode_of(World& world, const char* name) {
  auto entry = world->lookup(kRootInode, name);
  EXPECT_TRUE(entry);
  return entry->inode;
}

std::span<const std::byte> bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string read_all(World& world, Handle handle, size_t size) {
  std::string content(size + 10, '\0');
  auto count = world->read(handle, 0, std::as_writable_bytes(std::span(content)));
  EXPECT_TRUE(count);
  content.resize(count ? *count : 0);
  return content;
}

TEST(CoreFiles, AWriteIsReadBackAndReachesTheBackingFileAtFlush) {
  World world;
  Handle handle = open_file(world, "a");
  ASSERT_TRUE(world->write(handle, 3, bytes("hello"), false));
  EXPECT_EQ(read_all(world, handle, 8), std::string("\0\0\0hello", 8));
  EXPECT_EQ(world->getattr(inode_of(world, "a"))->stx_size, 8u);
  world.flush();
  EXPECT_EQ(slurp(world.below("a")), std::string("\0\0\0hello", 8));
  world->release(handle);
}

TEST(CoreFiles, AKilledDaemonLosesNoCompletedWrite) {
  World world;
  Handle handle = open_file(world, "a");
  ASSERT_TRUE(world->write(handle, 0, bytes("written, not synced"), false));
  world.stop();
  world.start();
  EXPECT_EQ(slurp(world.below("a")), "written, not synced");
}

TEST(CoreFiles, WhatWasFsyncedSurvivesTheLossOfTheArena) {
  World world;
  Handle handle = open_file(world, "a");
  ASSERT_TRUE(world->write(handle, 0, bytes("first"), false));
  ASSERT_TRUE(world->fsync(handle, false));
  ASSERT_TRUE(world->write(handle, 5, bytes(" second"), false));
  ASSERT_TRUE(world->fsync(handle, false));
  world.stop();
  world.lose_arena();
  world.start();
  EXPECT_EQ(slurp(world.below("a")), "first second");
}

TEST(CoreFiles, AFileLargerThanTheArenaIsWritten) {
  World world;
  Handle handle = open_file(world, "big");
  std::string block(64 << 10, 'x');
  for (int i = 0; i < 64; ++i) {
    block[0] = static_cast<char>('a' + i % 26);
    ASSERT_TRUE(world->write(handle, static_cast<uint64_t>(i) * block.size(), bytes(block), false));
  }
  EXPECT_LE(world->status().arena.used_bytes, 1u << 20);
  world->release(handle);
  world.flush();
  EXPECT_EQ(fs::file_size(world.below("big")), 64u * block.size());
}

TEST(CoreFiles, ATruncatedAndRewrittenFileDoesNotGetItsOldTailBack) {
  World world;
  Handle handle = open_file(world, "a");
  ASSERT_TRUE(world->write(handle, 0, bytes(std::string(9000, 'o')), false));
  ASSERT_TRUE(world->fsync(handle, false));
  world.flush();
  AttributeChange cut;
  cut.size = 0;
  ASSERT_TRUE(world->setattr(inode_of(world, "a"), cut, {}));
  ASSERT_TRUE(world->write(handle, 0, bytes("new"), false));
  ASSERT_TRUE(world->fsync(handle, false));
  world.stop();
  world.lose_arena();
  world.start();
  EXPECT_EQ(slurp(world.below("a")), "new");
}

TEST(CoreFiles, AnUnlinkedFileStaysReadableWhileOpen) {
  World world;
  Handle handle = open_file(world, "a");
  ASSERT_TRUE(world->write(handle, 0, bytes("still here"), false));
  auto entry = world->lookup(kRootInode, "a");
  ASSERT_TRUE(world->unlink(kRootInode, "a"));
  EXPECT_EQ(read_all(world, handle, 10), "still here");
  world.flush();
  EXPECT_EQ(read_all(world, handle, 10), "still here");
  EXPECT_EQ(world->status().dirty.bytes, 0u);
  InodeId inode = entry->inode;
  world->release(handle);
  world->forget(inode, 2);  // of create and of the lookup above
  EXPECT_EQ(world->status().arena.files, 0u);
}

TEST(CoreFiles, AFileChangedDirectlyIsNoticedAtOpen) {
  World world;
  Handle handle = open_file(world, "a");
  ASSERT_TRUE(world->write(handle, 0, bytes("ours"), false));
  world->release(handle);
  world.flush();
  int fd = ::open(world.below("a").c_str(), O_WRONLY | O_APPEND);
  ASSERT_EQ(::write(fd, " and theirs", 11), 11);
  ::close(fd);
  handle = open_file(world, "a");
  EXPECT_EQ(read_all(world, handle, 20), "ours and theirs");
  world->release(handle);
}

// What the model of a file may do to the real one.
struct Model {
  std::string content;
  void write(uint64_t at, const std::string& data) {
    if (content.size() < at + data.size()) content.resize(at + data.size(), '\0');
    content.replace(at, data.size(), data);
  }
  void zero(uint64_t from, uint64_t to) {
    to = std::min<uint64_t>(to, content.size());
    for (uint64_t at = from; at < to; ++at) content[at] = '\0';
  }
};

// Whatever is done to a file, in RAM, log and backing file together it is what a plain file would
// be; after a kill too, and, from the last fsync on, after the loss of the arena.
TEST(CoreFiles, AFileBehavesAsAStringOfBytes) {
  constexpr uint64_t kSpan = 40'000;
  ::setenv("RC_PARAMS", "max_success=40", 0);  // each case starts several daemons' worth of state
  ASSERT_TRUE(rc::check([] {
    World world;
    Model model;
    Handle handle = open_file(world, "f");
    int steps = *rc::gen::inRange(5, 40);
    for (int step = 0; step < steps; ++step) {
      auto at = *rc::gen::inRange<uint64_t>(0, kSpan);
      auto length = *rc::gen::inRange<uint64_t>(1, 12'000);
      switch (*rc::gen::inRange(0, 12)) {
        case 0:
        case 1:
        case 2:
        case 3: {
          std::string data(length, static_cast<char>('a' + step % 26));
          RC_ASSERT(world->write(handle, at, bytes(data), false).has_value());
          model.write(at, data);
          break;
        }
        case 4: {
          AttributeChange cut;
          cut.size = at;
          RC_ASSERT(world->setattr(inode_of(world, "f"), cut, {}).has_value());
          model.content.resize(at, '\0');
          break;
        }
        case 5:
          RC_ASSERT(world->fallocate(handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length)
                        .has_value());
          model.zero(at, at + length);
          break;
        case 6:
          RC_ASSERT(world->fallocate(handle, FALLOC_FL_ZERO_RANGE, at, length).has_value());
          if (model.content.size() < at + length) model.content.resize(at + length, '\0');
          model.zero(at, at + length);
          break;
        case 7:
          RC_ASSERT(world->fsync(handle, false).has_value());
          break;
        case 8:
          RC_ASSERT(world->sync_path("f").has_value());
          break;
        case 9:
          RC_ASSERT(world->evict("f").has_value());
          break;
        case 10:
          world.stop();
          world.start();
          handle = open_file(world, "f");
          break;
        case 11:
          RC_ASSERT(world->fsync(handle, false).has_value());
          world.stop();
          world.lose_arena();
          world.start();
          handle = open_file(world, "f");
          break;
      }
      bool same = read_all(world, handle, model.content.size()) == model.content;
      RC_ASSERT(same);
      RC_ASSERT(world->getattr(inode_of(world, "f"))->stx_size == model.content.size());
    }
    world.flush();
    bool flushed = slurp(world.below("f")) == model.content;
    RC_ASSERT(flushed);
  }));
}

}  // namespace
}  // namespace ramfs
