#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "log_fixture.h"

// Any sequence of calls, against a map. Small epochs, so that they come and go all the time.
namespace ramfs {
namespace {

using testing::file_key;
using testing::ScratchDirectory;
using testing::write_record;

struct Entry {
  int file;
  std::string data;
};

class Model {
 public:
  Model() { reopen(); }

  void append() {
    int file = *rc::gen::inRange(0, 5);
    size_t size = *rc::gen::inRange<size_t>(1, 20'000);
    std::string data(size, static_cast<char>('a' + *rc::gen::inRange(0, 26)));
    Lsn lsn = log_->next_lsn();
    RC_ASSERT(lsn > last_);
    last_ = lsn;
    Sync sync = *rc::gen::element(Sync::no, Sync::yes);
    RC_ASSERT(log_->append(lsn, write_record(file, data), sync).has_value());
    entries_[lsn] = {file, data};
  }

  void forget() {
    int file = *rc::gen::inRange(0, 5);
    Lsn upto = any_number();
    Sync sync = *rc::gen::element(Sync::no, Sync::yes);
    RC_ASSERT(log_->forget(file_key(file), upto, sync).has_value());
    std::erase_if(entries_,
                  [&](const auto& each) { return each.second.file == file && each.first <= upto; });
  }

  void clear() {
    Lsn upto = any_number();
    RC_ASSERT(log_->clear(upto).has_value());
    std::erase_if(entries_, [&](const auto& each) { return each.first <= upto; });
  }

  void sync() { RC_ASSERT(log_->sync().has_value()); }

  void reopen() {
    log_.reset();
    log_ = Log::open({.directory = directory_ / "log",
                      .epoch_bytes = 30'000,
                      .zstd_level = 0,
                      .idle = std::chrono::milliseconds(1)});
    check();
  }

  void check() {
    auto found = testing::replay(*log_);
    RC_ASSERT(found.in_order);
    RC_ASSERT(found.damaged.empty());
    std::map<Lsn, std::string> expected;
    for (const auto& [lsn, entry] : entries_) expected[lsn] = entry.data;
    RC_ASSERT(found.records == expected);
    RC_ASSERT((log_->stats().live_bytes == 0) == entries_.empty());
  }

  void dump() {
    log_.reset();
    std::map<Lsn, std::string> live;
    auto stats = read_log(directory_ / "log", [&](const LogDump& entry) {
      if (!entry.forgotten) live[entry.lsn] = entry.record.data.front();
    });
    std::map<Lsn, std::string> expected;
    for (const auto& [lsn, entry] : entries_) expected[lsn] = entry.data;
    RC_ASSERT(live == expected);
    reopen();
    RC_ASSERT(stats.live_bytes == log_->stats().live_bytes);
  }

 private:
  Lsn any_number() const {
    uint64_t first = entries_.empty() ? 0 : static_cast<uint64_t>(entries_.begin()->first) - 1;
    return Lsn{*rc::gen::inRange<uint64_t>(first, static_cast<uint64_t>(last_) + 2)};
  }

  ScratchDirectory directory_{"/dev/shm"};
  std::unique_ptr<Log> log_;
  std::map<Lsn, Entry> entries_;
  Lsn last_ = kNoLsn;
};

// A directory in memory, where there is one: thousands of syncs, none of which is the point.
TEST(LogModel, HoldsExactlyWhatWasAppendedAndNotForgottenWhateverHappens) {
  bool held = rc::check([] {
    Model model;
    int steps = *rc::gen::inRange(1, 40);
    for (int i = 0; i < steps; ++i) {
      int what = *rc::gen::inRange(0, 20);
      if (what < 10) {
        model.append();
      } else if (what < 15) {
        model.forget();
      } else if (what < 16) {
        model.clear();
      } else if (what < 17) {
        model.sync();
      } else if (what < 18) {
        model.dump();
      } else {
        model.reopen();
      }
    }
    model.reopen();
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace ramfs
