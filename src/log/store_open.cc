#include <fmt/core.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "store_parts.h"

namespace ramfs {
namespace {

using rocksdb::ColumnFamilyHandle;
using rocksdb::Slice;
using rocksdb::Status;

constexpr auto kLockRetry = std::chrono::milliseconds(50);

std::optional<Epoch> parse_epoch(std::string_view name) {
  if (!name.starts_with(kEpochPrefix)) return std::nullopt;
  name.remove_prefix(std::strlen(kEpochPrefix));
  uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return Epoch{number};
}

rocksdb::DBOptions db_options(uint64_t memory_bytes) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  // Our own numbering finds what is missing; the other modes would give up all that follows.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  // Entries are short-lived: they should never reach a table file.
  options.avoid_flush_during_recovery = true;
  options.avoid_flush_during_shutdown = true;
  options.db_write_buffer_size = memory_bytes;
  options.max_total_wal_size = UINT64_MAX / 4;
  options.max_background_jobs = 2;
  options.max_open_files = 64;
  options.max_manifest_file_size = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions numbers_options() {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = 1 << 20;
  options.compression = rocksdb::kNoCompression;
  return options;
}

bool is_lock_error(const Status& status) {
  return status.IsIOError() && status.ToString().find("lock") != std::string::npos;
}

[[noreturn]] void throw_for(const std::string& directory, const Status& status) {
  std::string text = status.ToString();
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (is_lock_error(status)) {
    throw std::runtime_error(fmt::format("log {} is in use by another daemon", directory));
  }
  if (status.IsNoSpace()) {
    throw std::runtime_error(fmt::format("log {}: no space left: {}", directory, text));
  }
  if (status.IsCorruption() || status.IsInvalidArgument()) {
    throw std::runtime_error(
        fmt::format("log {} is damaged: {}; nothing was changed, move it away to start without",
                    directory, text));
  }
  throw std::runtime_error(fmt::format("log {} cannot be opened: {}", directory, text));
}

}  // namespace

rocksdb::ColumnFamilyOptions epoch_options(uint64_t memory_bytes) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = memory_bytes;
  options.arena_block_size = 256 << 10;
  options.disable_auto_compactions = true;  // an epoch is dropped whole
  options.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

LogStore::Parts::~Parts() {
  if (!db) return;
  WriterLock lock(mutex);
  for (auto& [epoch, handle] : epochs) db->DestroyColumnFamilyHandle(handle);
  if (numbers != nullptr) db->DestroyColumnFamilyHandle(numbers);
  db->Close().PermitUncheckedError();
}

Status LogStore::Parts::open(Mode mode) {
  auto options = db_options(memory_bytes);
  options.env = env.get();
  options.info_log = logger;
  options.wal_filter = &filter;
  std::vector<std::string> names;
  auto status = rocksdb::DB::ListColumnFamilies(options, directory, &names);
  bool fresh = mode == Mode::write && !std::filesystem::exists(directory + "/CURRENT");
  if (fresh) names = {rocksdb::kDefaultColumnFamilyName};
  if (!status.ok() && !fresh) return status;

  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const auto& name : names) {
    families.emplace_back(name,
                          parse_epoch(name) ? epoch_options(memory_bytes) : numbers_options());
  }
  std::vector<ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  status = mode == Mode::read
               ? rocksdb::DB::OpenForReadOnly(options, directory, families, &handles, &opened)
               : rocksdb::DB::Open(options, directory, families, &handles, &opened);
  if (!status.ok()) return status;
  db.reset(opened);
  logger->stop_watching();
  WriterLock lock(mutex);
  for (auto* each : handles) {
    auto epoch = parse_epoch(each->GetName());
    if (epoch) {
      epochs[*epoch] = each;
    } else {
      numbers = each;
    }
  }
  return status;
}

std::unique_ptr<LogStore> LogStore::open(const Options& options) {
  auto give_up = std::chrono::steady_clock::now() + options.lock_wait;
  Mutex waiting;
  CondVar lock_may_be_free;  // nobody tells us: it only times out
  MutexLock lock(waiting);
  for (;;) {
    auto parts = std::make_unique<Parts>();
    parts->directory = options.directory;
    parts->memory_bytes = options.memory_bytes;
    auto status = parts->open(options.mode);
    if (status.ok()) {
      std::unique_ptr<LogStore> store(new LogStore(std::move(parts)));
      if (options.mode == Mode::write) store->settle_crash();
      return store;
    }
    if (!is_lock_error(status) || std::chrono::steady_clock::now() > give_up) {
      throw_for(options.directory, status);
    }
    lock_may_be_free.wait_for(waiting, kLockRetry);
  }
}

void LogStore::settle_crash() {
  auto places = parts_->audit.unpromised();
  if (places.empty()) return;
  rocksdb::WriteBatch batch;
  {
    ReaderLock lock(parts_->mutex);
    for (const auto& place : places) {
      for (const auto& [epoch, handle] : parts_->epochs) {
        if (handle->GetID() == place.column_family) batch.Delete(handle, slice(place.key));
      }
    }
  }
  uint64_t last = parts_->audit.last();
  batch.Put(parts_->numbers, kSettledKey,
            Slice(reinterpret_cast<const char*>(&last), sizeof(last)));
  auto status = parts_->write(batch, Sync::yes);
  if (!status.ok()) throw_for(parts_->directory, status);
}

}  // namespace ramfs
