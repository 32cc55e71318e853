#include "wal_recovery.h"

#include <rocksdb/write_batch.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "ramfs/base/logging.h"

namespace ramfs {
namespace {

// Takes out of one write what the audit wants to know.
struct Reader : rocksdb::WriteBatch::Handler {
  std::vector<WalAudit::Place> places;
  log_format::WalPosition durable{};
  std::optional<uint64_t> settled;

  rocksdb::Status PutCF(uint32_t column, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    if (column == 0) {
      uint64_t number = 0;
      if (key == kSettledKey && value.size() == sizeof(number)) {
        std::memcpy(&number, value.data(), sizeof(number));
        settled = number;
      }
      return rocksdb::Status::OK();
    }
    if (auto parsed = log_format::decode_key(key.ToStringView())) {
      auto summary = log_format::summarize(parsed->lsn, value.ToStringView());
      if (summary) durable = std::max(durable, summary->durable);
    }
    places.push_back({column, key.ToString()});
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(uint32_t, const rocksdb::Slice&) override {
    return rocksdb::Status::OK();
  }
};

}  // namespace

rocksdb::WalFilter::WalProcessingOption RecoveryFilter::LogRecordFound(
    unsigned long long /*number*/, const std::string& file, const rocksdb::WriteBatch& batch,
    rocksdb::WriteBatch* /*changed*/, bool* /*is_changed*/) {
  Reader reader;
  // Unknown kinds of entries stop it early; recovery itself will judge them.
  batch.Iterate(&reader).PermitUncheckedError();
  audit_.on_write(std::filesystem::path(file).filename(), position_of(batch), batch.Count(),
                  reader.durable, std::move(reader.places));
  if (reader.settled) audit_.on_settled(*reader.settled);
  return WalProcessingOption::kContinueProcessing;
}

void RecoveryLogger::Logv(const char* format, va_list arguments) {
  char line[512];
  std::vsnprintf(line, sizeof(line), format, arguments);
  if (watching_ && std::strstr(line, "dropping") != nullptr) audit_.on_skipped_bytes();
  log_debug("rocksdb: {}", line);
}

uint64_t position_of(const rocksdb::WriteBatch& batch) {
  uint64_t position = 0;
  std::memcpy(&position, batch.Data().data(), sizeof(position));
  return position;
}

}  // namespace ramfs
