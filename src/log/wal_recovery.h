#pragma once

#include <rocksdb/env.h>
#include <rocksdb/wal_filter.h>

#include "wal_audit.h"

// RocksDB's two windows into recovery, both looking out on one WalAudit. Only store.cc uses them.
namespace ramfs {

inline constexpr const char* kSettledKey = "settled";  // in the default column family

// Sees every write of the write-ahead log at open.
class RecoveryFilter : public rocksdb::WalFilter {
 public:
  explicit RecoveryFilter(WalAudit& audit) : audit_(audit) {}
  const char* Name() const override { return "RamfsRecovery"; }
  WalProcessingOption LogRecordFound(unsigned long long number, const std::string& file,
                                     const rocksdb::WriteBatch& batch, rocksdb::WriteBatch* changed,
                                     bool* is_changed) override;

 private:
  WalAudit& audit_;
};

// RocksDB says only in its own log that it skipped bytes. It keeps that log nowhere else.
class RecoveryLogger : public rocksdb::Logger {
 public:
  explicit RecoveryLogger(WalAudit& audit)
      : Logger(rocksdb::InfoLogLevel::WARN_LEVEL), audit_(audit) {}
  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override;
  rocksdb::Status Close() override { return rocksdb::Status::OK(); }
  void stop_watching() { watching_ = false; }  // open() is over

 private:
  WalAudit& audit_;
  std::atomic<bool> watching_ = true;
};

// The position that RocksDB gave a write, from the write's own bytes.
uint64_t position_of(const rocksdb::WriteBatch& batch);

}  // namespace ramfs
