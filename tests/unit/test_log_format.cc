#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "../../src/log/record_format.h"

namespace ramfs {
namespace {

using log_format::EntryKind;
using log_format::WalPosition;

rc::Gen<std::string> bytes_gen() {
  return rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

std::vector<Extent> extents_from(const std::vector<std::pair<uint16_t, uint16_t>>& gaps) {
  std::vector<Extent> extents;
  uint64_t at = 0;
  for (auto [gap, length] : gaps) {
    at += gap;
    extents.push_back({at, at + length % 3000});
    at = extents.back().end;
  }
  return extents;
}

LogRecord any_record() {
  LogRecord record;
  record.file = FileKey::from_handle(*rc::gen::arbitrary<int>(), *bytes_gen() + "x");
  record.low_water = *rc::gen::arbitrary<uint64_t>();
  record.size = *rc::gen::arbitrary<uint64_t>();
  record.mtime = {*rc::gen::arbitrary<int64_t>()};
  using Gaps = std::vector<std::pair<uint16_t, uint16_t>>;
  record.extents = extents_from(*rc::gen::arbitrary<Gaps>());
  record.holes = extents_from(*rc::gen::arbitrary<Gaps>());
  for (const Extent& extent : record.extents) {
    // Half of it runs of one byte, so that some records shrink and some do not.
    std::string piece(extent.length(), *rc::gen::arbitrary<char>());
    if (*rc::gen::arbitrary<bool>()) {
      uint32_t state = *rc::gen::arbitrary<uint32_t>();
      for (char& byte : piece)
        byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    }
    record.data.push_back(std::move(piece));
  }
  return record;
}

bool same(const LogRecord& a, const LogRecord& b) {
  return a.file == b.file && a.low_water == b.low_water && a.size == b.size && a.mtime == b.mtime &&
         a.extents == b.extents && a.data == b.data && a.holes == b.holes;
}

RC_GTEST_PROP(LogFormat, ARecordComesBackAsItWas, ()) {
  auto record = any_record();
  Lsn lsn{*rc::gen::arbitrary<uint64_t>()};
  int level = *rc::gen::inRange(0, 4);
  auto bytes = log_format::encode_record(lsn, record, WalPosition{7}, level);
  auto found = log_format::decode_record(lsn, bytes);
  RC_ASSERT(found.has_value());
  RC_ASSERT(same(*found, record));
  auto summary = log_format::summarize(lsn, bytes);
  RC_ASSERT(summary.has_value());
  RC_ASSERT(summary->file == record.file);
  RC_ASSERT(summary->durable == WalPosition{7});
}

RC_GTEST_PROP(LogFormat, AFlippedBitIsDetectedWhereverItIs, ()) {
  Lsn lsn{5};
  auto bytes = log_format::encode_record(lsn, any_record(), WalPosition{1}, 1);
  size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
  bytes[at] = static_cast<char>(bytes[at] ^ (1 << *rc::gen::inRange(0, 8)));
  RC_ASSERT(!log_format::decode_record(lsn, bytes).has_value());
  RC_ASSERT(!log_format::summarize(lsn, bytes).has_value());
}

RC_GTEST_PROP(LogFormat, ACutRecordIsDetectedWhereverItIsCut, ()) {
  Lsn lsn{5};
  auto bytes = log_format::encode_record(lsn, any_record(), WalPosition{1}, 1);
  bytes.resize(*rc::gen::inRange<size_t>(0, bytes.size()));
  RC_ASSERT(!log_format::decode_record(lsn, bytes).has_value());
}

RC_GTEST_PROP(LogFormat, AnyBytesAreReadWithoutHarm, ()) {
  auto bytes = *bytes_gen();
  (void)log_format::decode_record(Lsn{1}, bytes);
  (void)log_format::decode_mark(Lsn{1}, bytes);
  (void)log_format::summarize(Lsn{1}, bytes);
  (void)log_format::decode_key(bytes);
}

RC_GTEST_PROP(LogFormat, ARecordUnderAnotherNumberIsNotBelieved, ()) {
  auto bytes = log_format::encode_record(Lsn{5}, any_record(), WalPosition{1}, 1);
  RC_ASSERT(!log_format::decode_record(Lsn{6}, bytes).has_value());
}

RC_GTEST_PROP(LogFormat, KeysSortAsTheirNumbersAndMarksComeFirst, (uint64_t a, uint64_t b)) {
  auto key_a = log_format::encode_key(EntryKind::record, Lsn{a});
  auto key_b = log_format::encode_key(EntryKind::record, Lsn{b});
  RC_ASSERT((key_a < key_b) == (a < b));
  RC_ASSERT(log_format::encode_key(EntryKind::forget, Lsn{a}) < key_b);
  RC_ASSERT(log_format::decode_key(key_a)->lsn == Lsn{a});
}

TEST(LogFormat, AMarkComesBackAndIsNoRecord) {
  log_format::ForgetMark mark{FileKey::from_path("some/path"), Lsn{77}};
  auto bytes = log_format::encode_mark(Lsn{78}, mark, WalPosition{3});
  auto found = log_format::decode_mark(Lsn{78}, bytes);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->file, mark.file);
  EXPECT_EQ(found->upto, mark.upto);
  EXPECT_FALSE(log_format::decode_record(Lsn{78}, bytes));
}

// The worked example of ramfs-log(5): when these bytes change, the version must too.
TEST(LogFormat, TheExampleOfTheManualIsStillWhatIsWritten) {
  LogRecord record;
  record.file = FileKey::from_path("notes.txt");
  record.size = 5;
  record.mtime = {1'700'000'000'000'000'000};
  record.extents = {{0, 5}};
  record.data = {"hello"};
  auto bytes = log_format::encode_record(Lsn{42}, record, WalPosition{9}, 1);
  std::string hex;
  for (unsigned char byte : bytes) {
    char text[3];
    std::snprintf(text, sizeof(text), "%02x", byte);
    hex += text;
  }
  EXPECT_EQ(hex,
            "99d37b441b36ecf1"                  // checksum
            "010100000a000000"                  // version 1, record, no flags, key of 10 bytes
            "0900000000000000"                  // durable
            "ffffffffffffffff"                  // low water
            "0500000000000000"                  // size
            "00002a36fe9c9717"                  // mtime
            "0100000000000000"                  // extents, holes
            "706e6f7465732e747874"              // key
            "00000000000000000500000000000000"  // extent 0 to 5
            "68656c6c6f");                      // data
}

}  // namespace
}  // namespace ramfs
