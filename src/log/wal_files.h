#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace rocksdb {
class FileSystem;
}

namespace ramfs {

// What went to the log device through the files below.
struct WalCounters {
  std::atomic<uint64_t> written_bytes{0};  // all files, zeros written ahead included
  std::atomic<uint64_t> syncs{0};          // of write-ahead log files
};

// The files of RocksDB, with a write-ahead log that is cheap to sync.
//
// Growing a file costs a journal commit of the filesystem at each fdatasync. So when small synced
// writes are seen, the file is grown ahead by zeros, which later writes replace in place: one
// commit in many syncs, and on ext4 fewer bytes written in all than by committing each. The reader
// takes zeros for the end of the file. Files are never reused: nothing stale can come back.
std::shared_ptr<rocksdb::FileSystem> make_wal_file_system(std::shared_ptr<WalCounters> counters);

}  // namespace ramfs
