#include "ramfs/core/recovery.h"

#include <absl/hash/hash.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/falloc.h>
#include <pthread.h>

#include <algorithm>
#include <stdexcept>

#include "ramfs/base/logging.h"
#include "ramfs/base/units.h"
#include "ramfs/os/fault.h"

namespace ramfs {
namespace {

using std::chrono::steady_clock;

constexpr size_t kOpenFiles = 256;
constexpr size_t kCopyUnit = 1 << 20;
constexpr auto kRetry = std::chrono::seconds(5);

// The backing filesystem cannot do this at all, and could not when it was asked for: the record is
// of a call that failed.
bool refused(Errno error) {
  return error == Errno{EFBIG} || error == Errno{EINVAL} || error == Errno{EOPNOTSUPP};
}

bool gone(Errno error) {
  return error == Errno{ESTALE} || error == Errno{ENOENT};
}

}  // namespace

Recovery::Recovery(Services& services) : services_(services), files_(kOpenFiles) {
  auto started = steady_clock::now();
  upto_ = services_.log.next_lsn();
  replay_log();
  adopt_arena();
  found_.milliseconds = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - started).count());
  if (found_.log_records == 0 && survivors_.empty()) return;
  log_info("recovered {} log records and {} arena files, {} in {} ms{}", found_.log_records,
           found_.arena_slots, format_size(found_.bytes), found_.milliseconds,
           found_.gone ? fmt::format("; {} for files that are gone", found_.gone) : "");
  services_.gate.close();
  services_.writeback->hold();
  thread_ = std::thread([this] { settle(); });
}

Recovery::~Recovery() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stop_wanted_.notify_all();
  }
  thread_.join();
}

void Recovery::replay_log() {
  auto done = services_.log.replay(
      [this](Lsn, const LogRecord& record) {
        ++found_.log_records;
        return apply(record);
      },
      [this](const std::string& what) {
        ++found_.damaged;
        log_error("log: {}", what);
      });
  if (!done) {
    throw std::runtime_error(
        fmt::format("cannot replay the log into {}: {}; the log is kept, mend this and mount again",
                    services_.backing.path(), error_text(done.error())));
  }
}

void Recovery::adopt_arena() {
  survivors_ = services_.arena.survivors();
  for (const SurvivingSlot& survivor : survivors_) {
    if (survivor.dirty.empty()) continue;
    ++found_.arena_slots;
    auto done = apply_slot(survivor);
    if (!done) {
      throw std::runtime_error(
          fmt::format("cannot write back what a killed daemon left in RAM for {}: {}; it is kept, "
                      "mend this and "
                      "mount again",
                      services_.backing.path(), error_text(done.error())));
    }
  }
}

Result<FdLease> Recovery::open(const FileKey& key) {
  return files_.get(absl::Hash<FileKey>{}(key),
                    [&] { return services_.backing.open(key, O_RDWR | O_NOFOLLOW | O_NONBLOCK); });
}

Result<void> Recovery::apply(const LogRecord& record) {
  if (auto allowed = fault_point("recovery.record"); !allowed) return allowed;
  auto file = open(record.file);
  if (!file && gone(file.error())) {
    ++found_.gone;
    return {};
  }
  if (!file) return fail(file.error());
  int fd = (*file)->get();
  auto attributes = sys::stat_fd(fd);
  if (!attributes) return fail(attributes.error());
  uint64_t size = attributes->stx_size;
  if (size > record.low_water) {
    if (auto cut = sys::truncate(fd, record.low_water); !cut) return cut;
    size = record.low_water;
  }
  for (size_t i = 0; i < record.extents.size(); ++i) {
    auto bytes = std::as_bytes(std::span(record.data[i]));
    if (auto written = sys::write_at(fd, bytes, record.extents[i].begin); !written) return written;
    size = std::max(size, record.extents[i].end);
    found_.bytes += bytes.size();
  }
  for (Extent hole : record.holes) {
    int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    auto punched = sys::allocate(fd, punch, hole);
    if (!punched && !refused(punched.error())) return punched;
  }
  if (size != record.size) {
    auto cut = sys::truncate(fd, record.size);
    if (!cut && !refused(cut.error())) return cut;
  }
  return sys::set_mtime(fd, record.mtime);
}

Result<void> Recovery::apply_slot(const SurvivingSlot& survivor) {
  auto file = open(survivor.file);
  if (!file && gone(file.error())) {
    ++found_.gone;
    return {};
  }
  if (!file) return fail(file.error());
  auto slot = services_.arena.open(survivor.slot);
  if (!slot) return fail(slot.error());
  std::vector<std::byte> buffer(kCopyUnit);
  for (Extent extent : survivor.dirty) {
    for (uint64_t at = extent.begin; at < extent.end;) {
      auto bytes = std::span(buffer).first(std::min<uint64_t>(kCopyUnit, extent.end - at));
      auto count = sys::read_at((*slot)->get(), bytes, at);
      if (!count) return fail(count.error());
      std::fill(bytes.begin() + static_cast<ptrdiff_t>(*count), bytes.end(), std::byte{0});
      if (auto done = sys::write_at((*file)->get(), bytes, at); !done) return done;
      at += bytes.size();
      found_.bytes += bytes.size();
    }
  }
  if (auto cut = sys::truncate((*file)->get(), survivor.size); !cut) return cut;
  return sys::set_mtime((*file)->get(), survivor.mtime);
}

// Makes durable what was recovered; only then may log and slots go.
void Recovery::settle() {
  ::pthread_setname_np(::pthread_self(), "recovery");
  for (;;) {
    Result<void> done = fault_point("recovery.sync");
    if (done) done = sys::sync_filesystem(services_.backing.root());
    if (done) done = services_.log.clear(upto_);
    if (done) break;
    log_error("recovered data is not durable in {} yet: {}; trying again", services_.backing.path(),
              error_text(done.error()));
    MutexLock lock(mutex_);
    if (!stopping_) stop_wanted_.wait_for(mutex_, kRetry);
    if (stopping_) return;
  }
  for (const SurvivingSlot& survivor : survivors_) services_.arena.discard(survivor.slot);
  services_.gate.open();
  services_.writeback->release();
}

}  // namespace ramfs
