#include "store.h"

#include <fmt/core.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <thread>

#include "ramfs/base/mutex.h"
#include "wal_files.h"
#include "wal_recovery.h"

namespace ramfs {
namespace {

using rocksdb::ColumnFamilyHandle;
using rocksdb::Slice;
using rocksdb::Status;

constexpr const char* kEpochPrefix = "epoch-";
constexpr auto kLockRetry = std::chrono::milliseconds(50);

Result<void> as_result(const Status& status) {
  if (status.ok()) return {};
  return fail(status.IsNoSpace() ? ENOSPC : EIO);
}

Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}

std::string epoch_name(Epoch epoch) {
  return fmt::format("{}{:012}", kEpochPrefix, static_cast<uint64_t>(epoch));
}

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

// Apart from its caller so that the caller's name stands in what ThreadSanitizer reports: it sees
// what RocksDB does to a batch but not the locks around that, and is told to overlook it.
[[gnu::noinline]] Status write_to_rocksdb(rocksdb::DB& db, const rocksdb::WriteOptions& options,
                                          rocksdb::WriteBatch& batch) {
  return db.Write(options, &batch);
}

}  // namespace

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
  ColumnFamilyHandle* numbers = nullptr;  // the default column family
  mutable SharedMutex mutex;
  std::map<Epoch, ColumnFamilyHandle*> epochs ABSL_GUARDED_BY(mutex);

  std::atomic<uint64_t> durable{0};           // a WalPosition
  std::atomic<uint64_t> unsynced_puts{0};     // that have returned, ever
  std::atomic<uint64_t> followed_by_sync{0};  // how many of them

  ~Parts() {
    if (!db) return;
    WriterLock lock(mutex);
    for (auto& [epoch, handle] : epochs) db->DestroyColumnFamilyHandle(handle);
    if (numbers != nullptr) db->DestroyColumnFamilyHandle(numbers);
    db->Close().PermitUncheckedError();
  }

  ColumnFamilyHandle* handle(Epoch epoch) const {
    ReaderLock lock(mutex);
    auto found = epochs.find(epoch);
    return found == epochs.end() ? nullptr : found->second;
  }

  Status open(Mode mode) {
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

  [[gnu::noinline]] Status write(rocksdb::WriteBatch& batch, Sync sync) {
    rocksdb::WriteOptions options;
    options.sync = sync == Sync::yes;
    uint64_t before = unsynced_puts.load();
    auto status = write_to_rocksdb(*db, options, batch);
    // After an error RocksDB refuses all writes until it is told that the cause may be gone.
    if (!status.ok() && db->Resume().ok()) status = write_to_rocksdb(*db, options, batch);
    if (!status.ok()) return status;
    if (sync == Sync::no) {
      ++unsynced_puts;
      return status;
    }
    raise(followed_by_sync, before);
    raise(durable, position_of(batch) + batch.Count() - 1);
    return status;
  }

  static void raise(std::atomic<uint64_t>& value, uint64_t to) {
    uint64_t seen = value.load();
    while (seen < to && !value.compare_exchange_weak(seen, to)) {
    }
  }
};

LogStore::LogStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LogStore::~LogStore() = default;

std::unique_ptr<LogStore> LogStore::open(const Options& options) {
  auto give_up = std::chrono::steady_clock::now() + options.lock_wait;
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
    std::this_thread::sleep_for(kLockRetry);
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

const std::vector<std::string>& LogStore::damage() const {
  return parts_->audit.damage();
}

std::vector<Epoch> LogStore::epochs() const {
  ReaderLock lock(parts_->mutex);
  std::vector<Epoch> found;
  for (const auto& [epoch, handle] : parts_->epochs) found.push_back(epoch);
  return found;
}

Result<void> LogStore::create_epoch(Epoch epoch) {
  ColumnFamilyHandle* handle = nullptr;
  auto status = parts_->db->CreateColumnFamily(epoch_options(parts_->memory_bytes),
                                               epoch_name(epoch), &handle);
  if (!status.ok()) return as_result(status);
  WriterLock lock(parts_->mutex);
  parts_->epochs[epoch] = handle;
  return {};
}

Result<void> LogStore::drop_epoch(Epoch epoch) {
  auto* handle = parts_->handle(epoch);
  auto status = parts_->db->DropColumnFamily(handle);
  if (!status.ok()) return as_result(status);
  {
    WriterLock lock(parts_->mutex);
    parts_->epochs.erase(epoch);
  }
  return as_result(parts_->db->DestroyColumnFamilyHandle(handle));
}

Result<void> LogStore::switch_files() {
  // A flush is what makes RocksDB begin a file and delete old ones; of the smallest column family.
  auto touched = set_number("switched", 0, Sync::no);
  if (!touched) return touched;
  rocksdb::FlushOptions options;
  options.allow_write_stall = true;
  return as_result(parts_->db->Flush(options, parts_->numbers));
}

Result<void> LogStore::put(Epoch epoch, std::string_view key, std::string_view value, Sync sync) {
  rocksdb::WriteBatch batch(key.size() + value.size() + 64);
  auto status = batch.Put(parts_->handle(epoch), slice(key), slice(value));
  if (status.ok()) status = parts_->write(batch, sync);
  return as_result(status);
}

Result<void> LogStore::sync() {
  uint64_t puts = parts_->unsynced_puts.load();
  if (puts <= parts_->followed_by_sync.load()) return {};
  uint64_t position = parts_->db->GetLatestSequenceNumber();
  auto status = parts_->db->SyncWAL();
  if (!status.ok()) return as_result(status);
  Parts::raise(parts_->followed_by_sync, puts);
  Parts::raise(parts_->durable, position);
  return {};
}

log_format::WalPosition LogStore::durable() const {
  return log_format::WalPosition{parts_->durable.load()};
}

Result<void> LogStore::scan(const std::vector<Epoch>& epochs, log_format::EntryKind kind,
                            const Visit& visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = 1 << 20;
  struct Cursor {
    Epoch epoch;
    std::unique_ptr<rocksdb::Iterator> at;
  };
  std::vector<Cursor> cursors;
  std::string start(1, static_cast<char>(kind));
  for (Epoch epoch : epochs) {
    std::unique_ptr<rocksdb::Iterator> at(parts_->db->NewIterator(options, parts_->handle(epoch)));
    at->Seek(start);
    cursors.push_back({epoch, std::move(at)});
  }
  auto has_entry = [&](const Cursor& cursor) {
    return cursor.at->Valid() && cursor.at->key().starts_with(start);
  };
  // Epochs overlap only where they meet, so nearly always the first one left is the next.
  for (;;) {
    Cursor* next = nullptr;
    for (Cursor& cursor : cursors) {
      if (!has_entry(cursor)) continue;
      if (next == nullptr || cursor.at->key().compare(next->at->key()) < 0) next = &cursor;
    }
    if (next == nullptr) break;
    auto visited =
        visit(next->epoch, next->at->key().ToStringView(), next->at->value().ToStringView());
    if (!visited) return visited;
    next->at->Next();
  }
  for (const Cursor& cursor : cursors) {
    if (!cursor.at->status().ok()) return as_result(cursor.at->status());
  }
  return {};
}

std::optional<uint64_t> LogStore::number(std::string_view name) {
  std::string value;
  auto status = parts_->db->Get(rocksdb::ReadOptions(), parts_->numbers, slice(name), &value);
  uint64_t number = 0;
  if (!status.ok() || value.size() != sizeof(number)) return std::nullopt;
  std::memcpy(&number, value.data(), sizeof(number));
  return number;
}

Result<void> LogStore::set_number(std::string_view name, uint64_t value, Sync sync) {
  rocksdb::WriteBatch batch;
  auto status = batch.Put(parts_->numbers, slice(name),
                          Slice(reinterpret_cast<const char*>(&value), sizeof(value)));
  if (status.ok()) status = parts_->write(batch, sync);
  return as_result(status);
}

uint64_t LogStore::disk_bytes() const {
  uint64_t total = 0;
  std::error_code error;
  std::filesystem::directory_iterator entry(parts_->directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::error_code gone;  // files come and go meanwhile
    uint64_t size = entry->file_size(gone);
    if (!gone) total += size;
  }
  return total;
}

uint64_t LogStore::written_bytes() const {
  return parts_->counters->written_bytes.load();
}
uint64_t LogStore::syncs() const {
  return parts_->counters->syncs.load();
}

}  // namespace ramfs
