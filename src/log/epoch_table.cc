#include "epoch_table.h"

#include <algorithm>
#include <cassert>

namespace ramfs {

void EpochTable::open_epoch(Epoch epoch) {
  assert(epochs_.empty() || epochs_.back().id < epoch);
  epochs_.emplace_back().id = epoch;
}

void EpochTable::drop_epoch(Epoch epoch) {
  auto state = std::find_if(epochs_.begin(), epochs_.end(),
                            [epoch](const State& each) { return each.id == epoch; });
  assert(state != epochs_.end() && state->writers == 0);
  for (const auto& [file, records] : state->files) {
    for (const Record& record : records) live_bytes_ -= record.bytes;
  }
  epochs_.erase(state);
}

EpochTable::State& EpochTable::find(Epoch epoch) {
  // Nearly always the newest.
  auto state = std::find_if(epochs_.rbegin(), epochs_.rend(),
                            [epoch](const State& each) { return each.id == epoch; });
  assert(state != epochs_.rend());
  return *state;
}

void EpochTable::add(State& state, const FileKey& file, Lsn lsn, uint64_t bytes) {
  state.files[file].push_back({lsn, bytes});
  state.bytes += bytes;
  state.newest = std::max(state.newest, lsn);
  live_bytes_ += bytes;
}

Epoch EpochTable::begin_append(const FileKey& file, Lsn lsn, uint64_t bytes) {
  State& state = epochs_.back();
  add(state, file, lsn, bytes);
  ++state.writers;
  return state.id;
}

Epoch EpochTable::begin_mark(uint64_t bytes) {
  State& state = epochs_.back();
  state.bytes += bytes;
  ++state.writers;
  return state.id;
}

void EpochTable::end_append(Epoch epoch) {
  --find(epoch).writers;
}

void EpochTable::add_found(Epoch epoch, const FileKey& file, Lsn lsn, uint64_t bytes) {
  add(find(epoch), file, lsn, bytes);
}

void EpochTable::add_found_dead(Epoch epoch, uint64_t bytes) {
  find(epoch).bytes += bytes;
}

bool EpochTable::needs(const FileKey& file, Lsn upto) const {
  return std::any_of(epochs_.begin(), epochs_.end(), [&](const State& state) {
    auto records = state.files.find(file);
    return records != state.files.end() &&
           std::any_of(records->second.begin(), records->second.end(),
                       [upto](const Record& record) { return record.lsn <= upto; });
  });
}

void EpochTable::forget(const FileKey& file, Lsn upto) {
  for (State& state : epochs_) {
    auto records = state.files.find(file);
    if (records == state.files.end()) continue;
    std::erase_if(records->second, [&](const Record& record) {
      if (record.lsn > upto) return false;
      live_bytes_ -= record.bytes;
      return true;
    });
    if (records->second.empty()) state.files.erase(records);
  }
}

std::optional<Epoch> EpochTable::droppable() const {
  if (epochs_.size() < 2 || needed(epochs_.front())) return std::nullopt;
  return epochs_.front().id;
}

std::vector<Epoch> EpochTable::below(Lsn upto) const {
  std::vector<Epoch> found;
  for (size_t i = 0; i + 1 < epochs_.size(); ++i) {
    if (epochs_[i].newest > upto || epochs_[i].writers > 0) break;
    found.push_back(epochs_[i].id);
  }
  return found;
}

std::vector<FileKey> EpochTable::files_up_to(Lsn upto) const {
  std::vector<FileKey> found;
  for (const State& state : epochs_) {
    for (const auto& [file, records] : state.files) {
      if (std::any_of(records.begin(), records.end(),
                      [upto](const Record& record) { return record.lsn <= upto; })) {
        found.push_back(file);
      }
    }
  }
  return found;
}

std::vector<FileKey> EpochTable::oldest_files() const {
  std::vector<FileKey> found;
  if (epochs_.size() < 2) return found;
  for (const auto& [file, records] : epochs_.front().files) found.push_back(file);
  return found;
}

}  // namespace ramfs
