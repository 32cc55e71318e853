#pragma once

#include <rocksdb/db.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "ramfs/base/mutex.h"
#include "store.h"
#include "wal_files.h"
#include "wal_recovery.h"

// What LogStore keeps from its own users: everything of RocksDB. Only store*.cc include it.
namespace ramfs {

inline constexpr const char* kEpochPrefix = "epoch-";  // of the column families' names

struct LogStore::Parts {
  WalAudit audit;
  RecoveryFilter filter{audit};
  std::shared_ptr<RecoveryLogger> logger = std::make_shared<RecoveryLogger>(audit);
  std::shared_ptr<WalCounters> counters = std::make_shared<WalCounters>();
  std::shared_ptr<rocksdb::FileSystem> files = make_wal_file_system(counters);
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);
  std::string directory;
  uint64_t memory_bytes = 0;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* numbers = nullptr;  // the default column family
  mutable SharedMutex mutex;
  std::map<Epoch, rocksdb::ColumnFamilyHandle*> epochs ABSL_GUARDED_BY(mutex);

  std::atomic<uint64_t> durable{0};           // a WalPosition
  std::atomic<uint64_t> unsynced_puts{0};     // that have returned, ever
  std::atomic<uint64_t> followed_by_sync{0};  // how many of them

  ~Parts();
  rocksdb::Status open(Mode mode);
  rocksdb::ColumnFamilyHandle* handle(Epoch epoch) const;  // null if there is none
  rocksdb::Status write(rocksdb::WriteBatch& batch, Sync sync);
  static void raise(std::atomic<uint64_t>& value, uint64_t to) {
    uint64_t seen = value.load();
    while (seen < to && !value.compare_exchange_weak(seen, to)) {
    }
  }
};

rocksdb::ColumnFamilyOptions epoch_options(uint64_t memory_bytes);

inline rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace ramfs
