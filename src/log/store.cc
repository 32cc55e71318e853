#include "store.h"

#include <fmt/core.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "store_parts.h"

namespace ramfs {
namespace {

using rocksdb::ColumnFamilyHandle;
using rocksdb::Slice;
using rocksdb::Status;

Result<void> as_result(const Status& status) {
  if (status.ok()) return {};
  return fail(status.IsNoSpace() ? ENOSPC : EIO);
}

std::string epoch_name(Epoch epoch) {
  return fmt::format("{}{:012}", kEpochPrefix, static_cast<uint64_t>(epoch));
}

// Apart from its caller so that the caller's name stands in what ThreadSanitizer reports: it sees
// what RocksDB does to a batch but not the locks around that, and is told to overlook it.
[[gnu::noinline]] Status write_to_rocksdb(rocksdb::DB& db, const rocksdb::WriteOptions& options,
                                          rocksdb::WriteBatch& batch) {
  return db.Write(options, &batch);
}

}  // namespace

LogStore::LogStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LogStore::~LogStore() = default;

ColumnFamilyHandle* LogStore::Parts::handle(Epoch epoch) const {
  ReaderLock lock(mutex);
  auto found = epochs.find(epoch);
  return found == epochs.end() ? nullptr : found->second;
}

[[gnu::noinline]] Status LogStore::Parts::write(rocksdb::WriteBatch& batch, Sync sync) {
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
