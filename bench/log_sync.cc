// What does a synced append to the log cost, beside what the disk can do? Run on the filesystem in
// question: log_sync [DIRECTORY] [ROUNDS].
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ramfs/log/log.h"
#include "ramfs/os/fd.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBlock = 4096;
constexpr size_t kRawBytes = 64 << 20;
constexpr int kCallers = 8;
constexpr double kTurnSeconds = 0.2;

std::string random_bytes(size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Calls `once` from so many threads for so long; calls a second.
double rate(int threads, double seconds, const std::function<void(int)>& once) {
  std::atomic<uint64_t> calls{0};
  auto end = Clock::now() + std::chrono::duration<double>(seconds);
  auto start = Clock::now();
  std::vector<std::jthread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      while (Clock::now() < end) {
        once(i);
        ++calls;
      }
    });
  }
  workers.clear();
  return static_cast<double>(calls) / std::chrono::duration<double>(Clock::now() - start).count();
}

void must(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

// One block at a time, in place or growing, each followed by fdatasync.
class RawFile {
 public:
  RawFile(const std::string& path, bool in_place)
      : file_(::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600)),
        size_(in_place ? kRawBytes : SIZE_MAX) {
    must(static_cast<bool>(file_), "open");
    for (size_t i = 0; in_place && i < size_ / kBlock; ++i) write();
    must(::fsync(file_.get()) == 0, "fsync");
  }
  void write_synced() {
    write();
    must(::fdatasync(file_.get()) == 0, "fdatasync");
  }

 private:
  void write() {
    must(::pwrite(file_.get(), block_.data(), kBlock, static_cast<off_t>(at_)) == kBlock, "pwrite");
    at_ = (at_ + kBlock) % size_;
  }

  ramfs::Fd file_;
  size_t size_;
  size_t at_ = 0;
  std::string block_ = random_bytes(kBlock, 1);
};

// Synced appends of incompressible blocks; now and then a file is forgotten, as after writeback.
class Appender {
 public:
  explicit Appender(const std::string& path) : log_(ramfs::Log::open({.directory = path})) {
    for (int i = 0; i < kCallers; ++i) {
      ramfs::LogRecord record;
      record.file = ramfs::FileKey::from_path("file" + std::to_string(i));
      record.extents = {{0, kBlock}};
      record.data = {random_bytes(kBlock, static_cast<unsigned>(i))};
      record.size = kBlock;
      records_.push_back(std::move(record));
    }
  }
  void append(int caller) {
    const auto& record = records_[static_cast<size_t>(caller)];
    ramfs::Lsn lsn = log_->next_lsn();
    must(log_->append(lsn, record, ramfs::Sync::yes).has_value(), "append");
    if (static_cast<uint64_t>(lsn) % 1000 < kCallers) {
      must(log_->forget(record.file, lsn, ramfs::Sync::no).has_value(), "forget");
    }
  }

 private:
  std::unique_ptr<ramfs::Log> log_;
  std::vector<ramfs::LogRecord> records_;
};

// Half a gigabyte through the log and back: what recovery takes.
void bulk(const std::string& path) {
  constexpr size_t kRecord = 128 << 10;
  constexpr int kRecords = 4096;
  constexpr double kMegabytes = double{kRecord} * kRecords / 1e6;
  auto elapsed = [last = Clock::now()]() mutable {
    auto now = Clock::now();
    return std::chrono::duration<double>(now - std::exchange(last, now)).count();
  };
  ramfs::LogRecord record;
  record.extents = {{0, kRecord}};
  record.data = {random_bytes(kRecord, 1)};
  auto log = ramfs::Log::open({.directory = path});
  elapsed();
  for (int i = 0; i < kRecords; ++i) {
    record.file = ramfs::FileKey::from_path("file" + std::to_string(i));
    must(log->append(log->next_lsn(), record, ramfs::Sync::no).has_value(), "append");
  }
  double appending = elapsed();
  log.reset();
  elapsed();
  log = ramfs::Log::open({.directory = path});
  double opening = elapsed();
  uint64_t bytes = 0;
  auto count = [&bytes](ramfs::Lsn, const ramfs::LogRecord& found) {
    bytes += found.data.front().size();
    return ramfs::Result<void>();
  };
  must(log->replay(count, [](const std::string& line) { fmt::print("{}\n", line); }).has_value(),
       "replay");
  double replaying = elapsed();
  must(bytes == uint64_t{kRecord} * kRecords, "replay of everything");
  fmt::print("bulk append {:.0f} MB/s; open {:.2f} s, replay {:.2f} s, together {:.0f} MB/s\n",
             kMegabytes / appending, opening, replaying, kMegabytes / (opening + replaying));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

// The jobs take short turns, so that whatever else the disk does meets all of them alike.
int main(int argc, char** argv) {
  std::filesystem::path parent = argc > 1 ? argv[1] : std::filesystem::current_path();
  int rounds = argc > 2 ? std::atoi(argv[2]) : 15;
  auto directory = parent / fmt::format("log-sync-{}", ::getpid());
  std::filesystem::create_directory(directory);
  {
    RawFile in_place(directory / "in-place", true);
    RawFile growing(directory / "growing", false);
    Appender appender(directory / "log");
    struct Job {
      const char* name;
      int threads;
      std::function<void(int)> once;
      std::vector<double> rates, ratios;
    };
    std::vector<Job> jobs;
    jobs.push_back(
        {"pwrite in place + fdatasync", 1, [&](int) { in_place.write_synced(); }, {}, {}});
    jobs.push_back({"append + fdatasync", 1, [&](int) { growing.write_synced(); }, {}, {}});
    jobs.push_back({"log append, 1 caller", 1, [&](int i) { appender.append(i); }, {}, {}});
    jobs.push_back({"log append, 8 callers", kCallers, [&](int i) { appender.append(i); }, {}, {}});
    for (int round = 0; round < rounds; ++round) {
      for (Job& job : jobs) {
        job.rates.push_back(rate(job.threads, kTurnSeconds, job.once));
        job.ratios.push_back(job.rates.back() / jobs.front().rates.back());
      }
    }
    fmt::print("medians of {} turns of {} s; ratio to the first job of the same round\n", rounds,
               kTurnSeconds);
    for (const Job& job : jobs) {
      fmt::print("{:30} {:8.0f}/s {:6.2f}x\n", job.name, median(job.rates), median(job.ratios));
    }
  }
  bulk(directory / "bulk");
  std::filesystem::remove_all(directory);
  return 0;
}
