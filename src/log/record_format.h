#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ramfs/base/file_key.h"
#include "ramfs/base/ids.h"
#include "ramfs/log/log.h"

// The bytes of what the log stores, version 1: see ramfs-log(5). Nothing here knows RocksDB.
namespace ramfs::log_format {

inline constexpr unsigned kVersion = 1;
inline constexpr uint64_t kMaxDataBytes = 1ull << 30;  // file data in one record

// Position in the write-ahead log, counted in writes (RocksDB's sequence number).
enum class WalPosition : uint64_t {};

// "Records of this file up to this number no longer matter."
struct ForgetMark {
  FileKey file;
  Lsn upto = kNoLsn;
};

enum class EntryKind : char { forget = 'f', record = 'r' };  // the first byte of a key

std::string encode_key(EntryKind kind, Lsn lsn);
struct Key {
  EntryKind kind;
  Lsn lsn;
};
std::optional<Key> decode_key(std::string_view bytes);

// `durable`: everything up to it had reached the device when this was written; recovery tells by it
// a record that is missing because of damage from one that was never promised.
// `zstd_level` 0 stores the data as it is. The record's data must not exceed kMaxDataBytes.
std::string encode_record(Lsn lsn, const LogRecord& record, WalPosition durable, int zstd_level);
std::string encode_mark(Lsn lsn, const ForgetMark& mark, WalPosition durable);

// Nothing when the bytes are damaged, cut short, of another version, or were written under another
// number than `lsn`.
std::optional<LogRecord> decode_record(Lsn lsn, std::string_view bytes);
std::optional<ForgetMark> decode_mark(Lsn lsn, std::string_view bytes);

// What can be said of an entry of either kind without unpacking its data; whole and checked.
struct Summary {
  FileKey file;
  WalPosition durable;
  uint64_t data_bytes;    // of the file, before compression
  uint64_t stored_bytes;  // the same as stored
};
std::optional<Summary> summarize(Lsn lsn, std::string_view bytes);

}  // namespace ramfs::log_format
