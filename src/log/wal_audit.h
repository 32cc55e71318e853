#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "record_format.h"

namespace ramfs {

// Watches recovery read the write-ahead log and tells what is missing from it.
//
// Every write has a position, counted without gaps, so a missing one shows as a gap. Either the
// device lost it (damage: it had been promised), or the power failed before it was synced while
// later ones happened to get there (nobody was promised it, nor anything after it). The `durable`
// in later entries decides: at or above the gap means damage. After a gap of the second kind
// nothing may be used, or a file could show a state that it never had.
class WalAudit {
 public:
  // One write, in the order of the files. `entries` lists where its entries went, for unpromised().
  struct Place {
    uint32_t column_family;
    std::string key;
  };
  void on_write(const std::string& file, uint64_t position, uint64_t count,
                log_format::WalPosition durable, std::vector<Place> places);
  // RocksDB skipped bytes that it could not read.
  void on_skipped_bytes() { skipped_ = true; }
  // An earlier recovery dealt with every gap up to here.
  void on_settled(uint64_t position);

  const std::vector<std::string>& damage() const { return damage_; }  // one line each
  // Entries after a gap that was never promised; to be removed.
  std::vector<Place> unpromised() const;
  uint64_t last() const { return next_ == 0 ? 0 : next_ - 1; }

 private:
  struct Gap {
    uint64_t first;
    uint64_t last;
    std::string file;
    size_t kept;  // entries of later_ that came before it
  };
  void settle(uint64_t durable);

  uint64_t next_ = 0;  // expected position; 0: anything
  bool skipped_ = false;
  std::vector<Gap> gaps_;     // undecided, in order
  std::vector<Place> later_;  // entries after the first undecided gap
  std::vector<std::string> damage_;
};

}  // namespace ramfs
