#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "ramfs/base/file_key.h"
#include "ramfs/base/ids.h"

namespace ramfs {

enum class Epoch : uint64_t {};  // a stretch of the log that is dropped as a whole; grows

// Which records of which epoch are still needed. Only counts; the store holds the bytes.
// Not thread-safe: the log guards it.
class EpochTable {
 public:
  void open_epoch(Epoch epoch);  // newer than all; it becomes the current one
  void drop_epoch(Epoch epoch);

  // A record is on its way into the current epoch. It counts as needed from now on, and its epoch
  // stays until end_append().
  Epoch begin_append(const FileKey& file, Lsn lsn, uint64_t bytes);
  void end_append(Epoch epoch);
  // As begin_append() for an entry that nobody will need, a forget mark.
  Epoch begin_mark(uint64_t bytes);
  // A record found in an epoch when the log was opened.
  void add_found(Epoch epoch, const FileKey& file, Lsn lsn, uint64_t bytes);
  // Bytes found in an epoch that nobody needs.
  void add_found_dead(Epoch epoch, uint64_t bytes);

  bool needs(const FileKey& file, Lsn upto) const;  // a record of it up to that number
  void forget(const FileKey& file, Lsn upto);

  Epoch current() const { return epochs_.back().id; }
  bool current_needed() const { return needed(epochs_.back()); }
  uint64_t current_bytes() const { return epochs_.back().bytes; }  // appended, needed or not
  uint64_t epochs() const { return epochs_.size(); }
  uint64_t live_bytes() const { return live_bytes_; }

  // The oldest epoch, if it is not the current one and nothing in it is needed.
  std::optional<Epoch> droppable() const;
  // Epochs older than the current one that hold no number above `upto`, oldest first, up to the
  // first that does or that is being written.
  std::vector<Epoch> below(Lsn upto) const;
  std::vector<FileKey> files_up_to(Lsn upto) const;
  std::vector<FileKey> oldest_files() const;

 private:
  struct Record {
    Lsn lsn;
    uint64_t bytes;
  };
  struct State {
    Epoch id;
    absl::flat_hash_map<FileKey, std::vector<Record>> files;
    uint64_t bytes = 0;
    Lsn newest = kNoLsn;
    int writers = 0;
  };

  static bool needed(const State& state) { return !state.files.empty() || state.writers > 0; }
  State& find(Epoch epoch);
  void add(State& state, const FileKey& file, Lsn lsn, uint64_t bytes);

  std::deque<State> epochs_;  // oldest first
  uint64_t live_bytes_ = 0;
};

}  // namespace ramfs
