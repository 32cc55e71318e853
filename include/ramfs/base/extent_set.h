#pragma once

#include <cstdint>
#include <vector>

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
// Not thread-safe. add() at the end of the last extent, the usual case, is O(1); others are
// O(log n) to find and O(n) to shift.
class ExtentSet {
 public:
  ExtentSet() = default;
  explicit ExtentSet(Extent extent) { add(extent); }

  void add(Extent extent);
  void add(const ExtentSet& other);
  void remove(Extent extent);
  void remove(const ExtentSet& other);
  void clear() { extents_.clear(); total_ = 0; }

  bool empty() const { return extents_.empty(); }
  uint64_t total() const { return total_; }  // bytes
  bool contains(Extent extent) const;        // every byte of it; true for an empty extent
  bool intersects(Extent extent) const;
  uint64_t overlap(Extent extent) const;     // bytes of it that are in the set

  // The part of the set inside `window`.
  ExtentSet within(Extent window) const;
  // The part of `window` that is not in the set.
  ExtentSet missing_from(Extent window) const;

  const std::vector<Extent>& extents() const { return extents_; }
  auto begin() const { return extents_.begin(); }
  auto end() const { return extents_.end(); }
  bool operator==(const ExtentSet& other) const { return extents_ == other.extents_; }

 private:
  std::vector<Extent> extents_;
  uint64_t total_ = 0;
};

}  // namespace ramfs
