#include "log_impl.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "directory.h"

namespace ramfs {
namespace {

using log_format::EntryKind;

constexpr const char* kVersionName = "version";
constexpr const char* kNumbersName = "numbers";
constexpr uint64_t kMemoryEpochs = 8;  // so many epochs stay in memory

std::string damaged_entry(const char* what, std::optional<log_format::Key> key) {
  if (!key) return fmt::format("{} with a damaged key", what);
  return fmt::format("{} {} is damaged: its checksum is wrong", what,
                     static_cast<uint64_t>(key->lsn));
}

uint64_t memory_for(const LogOptions& options) {
  return std::max<uint64_t>(kMemoryEpochs * options.epoch_bytes, 64 << 20);
}

}  // namespace

std::unique_ptr<Log> Log::open(const LogOptions& options) {
  return std::make_unique<LogImpl>(options);
}

LogImpl::LogImpl(const LogOptions& options)
    : options_(options),
      store_(LogStore::open({.directory = prepare_log_directory(options.directory),
                             .mode = LogStore::Mode::write,
                             .memory_bytes = memory_for(options),
                             .lock_wait = options.lock_wait})) {
  check_version();
  find_entries();
  begin_session();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

LogImpl::~LogImpl() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  thread_.request_stop();
  wake_.notify_all();
  thread_.join();
  // An exact number spares the next start a jump. What it cannot write, the reserve covers.
  (void)store_->set_number(kNumbersName, next_number_.load(), Sync::yes);
}

void LogImpl::check_version() {
  auto version = store_->number(kVersionName);
  if (!version) {
    if (!store_->set_number(kVersionName, log_format::kVersion, Sync::yes)) {
      throw std::runtime_error(fmt::format("log {} cannot be written", options_.directory));
    }
  } else if (*version > log_format::kVersion) {
    throw std::runtime_error(newer_format(options_.directory, *version));
  }
}

// Fills the table from what is on the disk, and finds the first unused number.
void LogImpl::find_entries() {
  EpochTable table;
  uint64_t newest = 0;
  auto epochs = store_->epochs();
  for (Epoch epoch : epochs) table.open_epoch(epoch);

  absl::flat_hash_map<FileKey, Lsn> forgotten;
  auto marks = store_->scan(epochs, EntryKind::forget, [&](Epoch epoch, auto key, auto value) {
    auto parsed = log_format::decode_key(key);
    auto mark = parsed ? log_format::decode_mark(parsed->lsn, value) : std::nullopt;
    if (parsed) newest = std::max(newest, static_cast<uint64_t>(parsed->lsn));
    if (mark) forgotten[mark->file] = std::max(forgotten[mark->file], mark->upto);
    table.add_found_dead(epoch, value.size());
    return Result<void>();
  });
  auto records = store_->scan(epochs, EntryKind::record, [&](Epoch epoch, auto key, auto value) {
    auto parsed = log_format::decode_key(key);
    Lsn lsn = parsed ? parsed->lsn : kNoLsn;
    newest = std::max(newest, static_cast<uint64_t>(lsn));
    auto summary = log_format::summarize(lsn, value);
    // A damaged record keeps its epoch until clear(): replay must be able to name it.
    FileKey file = summary ? summary->file : FileKey();
    auto forget = summary ? forgotten.find(file) : forgotten.end();
    if (forget != forgotten.end() && lsn <= forget->second) {
      table.add_found_dead(epoch, value.size());
    } else {
      table.add_found(epoch, file, lsn, value.size());
    }
    return Result<void>();
  });
  if (!marks || !records) {
    throw std::runtime_error(
        fmt::format("log {} cannot be read: input/output error", options_.directory));
  }
  {
    MutexLock lock(mutex_);
    table_ = std::move(table);
  }
  next_number_ = std::max(newest + 1, store_->number(kNumbersName).value_or(1));
}

// What is appended from now on stays apart from what was found.
void LogImpl::begin_session() {
  bool reuse = false;
  {
    MutexLock lock(mutex_);
    reuse = table_.epochs() > 0 && table_.current_bytes() == 0;
  }
  MutexLock epochs(epochs_mutex_);
  if (!reserve_numbers() || !(reuse || begin_epoch_locked().has_value()) || !drop_epochs_locked()) {
    throw std::runtime_error(fmt::format(
        "log {} cannot be written: no space left or a failing device", options_.directory));
  }
}

Lsn LogImpl::next_lsn() {
  uint64_t number = next_number_.fetch_add(1);
  if (number + kNumbersAhead / 2 == reserved_.load()) {
    MutexLock lock(mutex_);
    work_ = true;
    wake_.notify_all();
  }
  return Lsn{number};
}

Result<void> LogImpl::reserve_numbers() {
  uint64_t reserve = next_number_.load() + kNumbersAhead;
  auto written = store_->set_number(kNumbersName, reserve, Sync::yes);
  if (written) reserved_ = reserve;
  return written;
}

Result<void> LogImpl::append(Lsn lsn, const LogRecord& record, Sync sync) {
  uint64_t data_bytes = 0;
  for (const auto& piece : record.data) data_bytes += piece.size();
  if (data_bytes > log_format::kMaxDataBytes) return fail(EFBIG);
  auto value = log_format::encode_record(lsn, record, store_->durable(), options_.zstd_level);
  Epoch epoch;
  {
    MutexLock lock(mutex_);
    epoch = table_.begin_append(record.file, lsn, value.size());
  }
  auto written = store_->put(epoch, log_format::encode_key(EntryKind::record, lsn), value, sync);
  // A write that failed may have reached the device all the same: it counts until it is forgotten.
  end_write(epoch);
  if (!written) return written;
  records_.fetch_add(1, std::memory_order_relaxed);
  record_bytes_.fetch_add(data_bytes, std::memory_order_relaxed);
  stored_bytes_.fetch_add(value.size(), std::memory_order_relaxed);
  return written;
}

void LogImpl::end_write(Epoch epoch) {
  writes_.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(mutex_);
  table_.end_append(epoch);
  bool full = table_.current_bytes() >= options_.epoch_bytes;
  bool waste = !table_.current_needed() && table_.current_bytes() >= kWorthDropping;
  bool old = table_.droppable().has_value();
  if ((full || waste || old) && !work_) {
    work_ = true;
    wake_.notify_all();
  } else if (asleep_) {
    wake_.notify_all();
  }
}

Result<void> LogImpl::put_mark(const FileKey& file, Lsn upto, Sync sync) {
  Lsn lsn = next_lsn();
  auto value = log_format::encode_mark(lsn, {file, upto}, store_->durable());
  Epoch epoch;
  {
    MutexLock lock(mutex_);
    epoch = table_.begin_mark(value.size());
  }
  auto written = store_->put(epoch, log_format::encode_key(EntryKind::forget, lsn), value, sync);
  if (written) {
    MutexLock lock(mutex_);
    table_.forget(file, upto);
  }
  end_write(epoch);
  return written;
}

Result<void> LogImpl::forget(const FileKey& file, Lsn upto, Sync sync) {
  bool needed = false;
  {
    MutexLock lock(mutex_);
    needed = table_.needs(file, upto);
  }
  if (needed) return put_mark(file, upto, sync);
  // An earlier forget of the same may still have to become durable.
  return sync == Sync::yes ? store_->sync() : Result<void>();
}

Result<void> LogImpl::replay(const std::function<Result<void>(Lsn, const LogRecord&)>& visit,
                             const std::function<void(const std::string&)>& damaged) {
  for (const auto& line : store_->damage()) damaged(line);
  auto epochs = store_->epochs();
  absl::flat_hash_map<FileKey, Lsn> forgotten;
  auto marks = store_->scan(epochs, EntryKind::forget, [&](Epoch, auto key, auto value) {
    auto parsed = log_format::decode_key(key);
    auto mark = parsed ? log_format::decode_mark(parsed->lsn, value) : std::nullopt;
    if (!mark) {
      damaged(damaged_entry("forget mark", parsed));
    } else {
      forgotten[mark->file] = std::max(forgotten[mark->file], mark->upto);
    }
    return Result<void>();
  });
  if (!marks) return marks;
  return store_->scan(epochs, EntryKind::record, [&](Epoch, auto key, auto value) -> Result<void> {
    auto parsed = log_format::decode_key(key);
    auto record = parsed ? log_format::decode_record(parsed->lsn, value) : std::nullopt;
    if (!record) {
      damaged(damaged_entry("record", parsed));
      return {};
    }
    auto forget = forgotten.find(record->file);
    if (forget != forgotten.end() && parsed->lsn <= forget->second) return {};
    return visit(parsed->lsn, *record);
  });
}

Result<void> LogImpl::clear(Lsn upto) {
  MutexLock epochs(epochs_mutex_);
  std::vector<Epoch> whole;
  {
    MutexLock lock(mutex_);
    whole = table_.below(upto);
  }
  for (Epoch epoch : whole) {
    if (auto dropped = store_->drop_epoch(epoch); !dropped) return dropped;
    MutexLock lock(mutex_);
    table_.drop_epoch(epoch);
  }
  std::vector<FileKey> files;
  {
    MutexLock lock(mutex_);
    files = table_.files_up_to(upto);
  }
  for (const FileKey& file : files) {
    if (auto marked = put_mark(file, upto, Sync::no); !marked) return marked;
  }
  if (auto synced = store_->sync(); !synced) return synced;
  if (auto dropped = drop_epochs_locked(); !dropped) return fail(dropped.error());
  return whole.empty() ? Result<void>() : store_->switch_files();
}

std::vector<FileKey> LogImpl::oldest_files() const {
  MutexLock lock(mutex_);
  return table_.oldest_files();
}

LogStats LogImpl::stats() const {
  LogStats stats;
  {
    MutexLock lock(mutex_);
    stats.live_bytes = table_.live_bytes();
    stats.epochs = table_.epochs();
  }
  stats.disk_bytes = store_->disk_bytes();
  stats.records = records_.load();
  stats.record_bytes = record_bytes_.load();
  stats.stored_bytes = stored_bytes_.load();
  stats.written_bytes = store_->written_bytes();
  stats.syncs = store_->syncs();
  return stats;
}

}  // namespace ramfs
