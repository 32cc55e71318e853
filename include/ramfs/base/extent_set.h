#pragma once

#include <absl/container/btree_map.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace ramfs {

// Bytes [begin, end) of a file. Empty when begin == end; begin > end never happens.
struct Extent {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t length() const { return end - begin; }
  bool empty() const { return begin == end; }
  bool operator==(const Extent&) const = default;
};

// A set of bytes of one file, kept as sorted, merged, non-empty extents.
// Not thread-safe. A B-tree: a large file written at random holds tens of thousands of extents, and
// each write adds one, O(log n).
class ExtentSet {
  using Map = absl::btree_map<uint64_t, uint64_t>;  // begin -> end

 public:
  // Goes over the extents in order of their offsets.
  class Iterator {
   public:
    explicit Iterator(Map::const_iterator at) : at_(at) {}
    Extent operator*() const { return {at_->first, at_->second}; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    Map::const_iterator at_;
  };

  ExtentSet() = default;
  explicit ExtentSet(Extent extent) { add(extent); }

  void add(Extent extent);
  void add(const ExtentSet& other);
  void remove(Extent extent);
  void remove(const ExtentSet& other);
  void clear() {
    extents_.clear();
    total_ = 0;
  }

  bool empty() const { return extents_.empty(); }
  uint64_t total() const { return total_; }  // bytes
  bool contains(Extent extent) const;        // every byte of it; true for an empty extent
  bool intersects(Extent extent) const;
  uint64_t overlap(Extent extent) const;  // bytes of it that are in the set

  // The part of the set inside `window`.
  ExtentSet within(Extent window) const;
  // The part of `window` that is not in the set.
  ExtentSet missing_from(Extent window) const;

  // The first byte of the set at or after `offset`, as the extent from there on; empty: none.
  Extent first_from(uint64_t offset) const;

  size_t size() const { return extents_.size(); }  // extents
  Iterator begin() const { return Iterator(extents_.begin()); }
  Iterator end() const { return Iterator(extents_.end()); }
  bool operator==(const ExtentSet& other) const { return extents_ == other.extents_; }

 private:
  Map::const_iterator first_ending_after(uint64_t offset) const;

  Map extents_;
  uint64_t total_ = 0;
};

}  // namespace ramfs
