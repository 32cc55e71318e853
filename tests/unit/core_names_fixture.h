#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ramfs/base/mutex.h"
#include "ramfs/core/attributes.h"
#include "ramfs/core/directories.h"
#include "ramfs/core/names.h"

namespace ramfs {

// A directory on a real filesystem, gone at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* base = std::getenv("TMPDIR");
    std::string path = std::string(base ? base : "/var/tmp") + "/ramfs-names-XXXXXX";
    if (!::mkdtemp(path.data())) throw std::runtime_error("mkdtemp");
    ::chmod(path.c_str(), 0755);
    path_ = path;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Notes what the namespace tells the data half; shows RAM's size for one file.
class RecordingHooks : public FileHooks {
 public:
  void overlay(const Inode& inode, sys::Attributes& attributes) override {
    MutexLock lock(mutex_);
    if (inode.id == overlaid) attributes.stx_size = overlaid_size;
  }
  Result<void> before_publish(const InodePtr& source) override {
    MutexLock lock(mutex_);
    published.insert(source->id);
    if (publish_error != 0) return fail(publish_error);
    return {};
  }
  Result<void> before_rename(const InodePtr& source) override {
    MutexLock lock(mutex_);
    written_back.insert(source->id);
    return {};
  }
  void lost_last_name(const InodePtr& inode) override {
    MutexLock lock(mutex_);
    lost.insert(inode->id);
    if (lets_go) inode->set_data(nullptr);
  }
  void gained_name(const InodePtr& inode) override {
    MutexLock lock(mutex_);
    gained.insert(inode->id);
  }
  void metadata_changed(const InodePtr& inode) override {
    MutexLock lock(mutex_);
    changed.insert(inode->id);
  }
  void namespace_changed() override {
    MutexLock lock(mutex_);
    ++namespace_changes;
  }
  uint64_t promised_bytes() override { return promised; }

  InodeId overlaid{0};
  uint64_t overlaid_size = 0;
  uint64_t promised = 0;
  int publish_error = 0;
  bool lets_go = false;  // data is dropped with the last name: the file is not open
  uint64_t namespace_changes = 0;
  std::set<InodeId> published, written_back, lost, gained, changed;

 private:
  Mutex mutex_;
};

// Core's namespace over a directory, without the daemon.
struct World {
  explicit World(const std::string& path)
      : backing(path),
        files(backing, table, 128),
        names(backing, table, files, hooks),
        attributes(backing, table, files, hooks),
        directories(table, files, names) {
    auto key = backing.has_handles() ? *sys::file_key(backing.root()) : FileKey::from_path("");
    table.add_root(*sys::stat_fd(backing.root()), key);
  }

  Backing backing;
  RecordingHooks hooks;
  InodeTable table;
  InodeFiles files;
  Names names;
  AttributeStore attributes;
  Directories directories;
};

class NamesTest : public ::testing::Test {
 protected:
  NamesTest() : world_(std::make_unique<World>(directory_.path())) {}

  static Caller root() { return {}; }
  std::string path(const std::string& name) const { return directory_.path() + '/' + name; }

  void write_file(const std::string& name, const std::string& text = "") {
    Fd file(::open(path(name).c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644));
    ASSERT_TRUE(file);
    ASSERT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string read_file(const std::string& name) {
    std::string text(4096, '\0');
    Fd file(::open(path(name).c_str(), O_RDONLY));
    ssize_t got = ::read(file.get(), text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
  }
  bool exists(const std::string& name) { return ::access(path(name).c_str(), F_OK) == 0; }

  InodeId look_up(const char* name, InodeId parent = kRootInode) {
    auto entry = world_->names.lookup(parent, name);
    EXPECT_TRUE(entry.has_value()) << name;
    return entry ? entry->inode : InodeId{0};
  }
  InodePtr inode(InodeId id) { return world_->table.find(id); }
  // As the data half does at an open. The namespace asks only whether there is data.
  void give_data(InodeId id) {
    inode(id)->set_data({std::make_shared<int>(), reinterpret_cast<FileData*>(alignof(int))});
  }

  TemporaryDirectory directory_;
  std::unique_ptr<World> world_;
};

template <class T>
int error_of(const Result<T>& result) {
  return result ? 0 : static_cast<int>(result.error());
}

}  // namespace ramfs
