#include "ramfs/os/registry.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <system_error>

namespace ramfs {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLock = "lock";
constexpr const char* kRecord = "mount";
// How long a mount waits for the writeback of the one before it.
constexpr int kWaitMilliseconds = 60'000;

std::string environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value && *value == '/' ? value : "";
}

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

// Open file description locks: asking for one does not take it, unlike flock(2).
bool locked(const std::string& directory) {
  Fd file(::open((directory + "/" + kLock).c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock = whole_file(F_WRLCK);
  return file && ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool try_lock(int file) {
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(file, F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw std::runtime_error(fmt::format("cannot lock: {}", std::strerror(errno)));
}

// Newlines in a path would end its line.
std::string escaped(const std::string& text) {
  std::string result;
  for (char letter : text) {
    if (letter == '\\')
      result += "\\\\";
    else if (letter == '\n')
      result += "\\n";
    else
      result += letter;
  }
  return result;
}

std::string unescaped(const std::string& text) {
  std::string result;
  for (size_t at = 0; at < text.size(); ++at) {
    bool escape = text[at] == '\\' && at + 1 < text.size();
    if (escape) ++at;
    result += escape && text[at] == 'n' ? '\n' : text[at];
  }
  return result;
}

std::optional<MountRecord> read_record(const std::string& directory) {
  std::ifstream file(directory + "/" + kRecord);
  if (!file) return std::nullopt;
  MountRecord record;
  for (std::string line; std::getline(file, line);) {
    size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string key = line.substr(0, equals);
    std::string value = unescaped(line.substr(equals + 1));
    if (key == "mountpoint") record.mountpoint = value;
    if (key == "backing") record.backing = value;
    if (key == "control") record.control = value;
    if (key == "log") record.log = value;
    if (key == "version") record.version = value;
    if (key == "pid") (void)std::from_chars(value.data(), value.data() + value.size(), record.pid);
  }
  return record;
}

bool still_mounted(const MountRecord& record) {
  std::ifstream table("/proc/self/mounts");
  for (std::string line; std::getline(table, line);) {
    size_t first = line.find(' ');
    size_t second = first == std::string::npos ? first : line.find(' ', first + 1);
    if (second == std::string::npos) continue;
    std::string type = line.substr(second + 1, line.find(' ', second + 1) - second - 1);
    std::string place;  // octal escapes of blanks
    for (size_t at = first + 1; at < second; ++at) {
      if (line[at] == '\\' && at + 3 < second) {
        place += static_cast<char>(std::stoi(line.substr(at + 1, 3), nullptr, 8));
        at += 3;
      } else {
        place += line[at];
      }
    }
    if (place == record.mountpoint && type.starts_with("fuse")) return true;
  }
  return false;
}

void wait_for_exit(pid_t pid) {
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return;
  struct pollfd ended {
    process.get(), POLLIN, 0
  };
  (void)::poll(&ended, 1, kWaitMilliseconds);
}

}  // namespace

std::string runtime_directory() {
  if (::geteuid() == 0) return "/run/ramfs";
  std::string runtime = environment("XDG_RUNTIME_DIR");
  return runtime.empty() ? state_directory() : runtime + "/ramfs";
}

std::string state_directory() {
  if (::geteuid() == 0) return "/var/lib/ramfs";
  if (std::string state = environment("XDG_STATE_HOME"); !state.empty()) return state + "/ramfs";
  if (std::string home = environment("HOME"); !home.empty()) return home + "/.local/state/ramfs";
  throw std::runtime_error("no place for the log: set HOME or XDG_STATE_HOME");
}

std::string mount_key(const std::string& backing) {
  std::string name = fs::path(backing).filename();
  if (name.empty()) name = "root";
  // A file name of at most 255 bytes.
  return fmt::format("{}-{:016x}", name.substr(0, 200),
                     XXH3_64bits(backing.data(), backing.size()));
}

std::vector<MountRecord> list_mounts() {
  std::vector<MountRecord> result;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(runtime_directory(), none)) {
    if (!locked(entry.path())) continue;
    if (auto record = read_record(entry.path())) result.push_back(std::move(*record));
  }
  return result;
}

Registration::Registration(const std::string& directory, const std::string& backing)
    : directory_(directory) {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (!error) fs::permissions(directory_, fs::perms::owner_all, error);
  if (error)
    throw std::runtime_error(fmt::format("cannot use {}: {}", directory_, error.message()));
  std::string path = directory_ + "/" + kLock;
  lock_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_)
    throw std::runtime_error(fmt::format("cannot use {}: {}", path, std::strerror(errno)));
  if (try_lock(lock_.get())) return;

  auto other = read_record(directory_);
  bool ending = other && !still_mounted(*other);
  if (ending) {
    wait_for_exit(other->pid);
    // It may have taken the lock file away when it ended.
    lock_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock_ && try_lock(lock_.get())) return;
    throw std::runtime_error(
        fmt::format("{} is still being written back by process {}: try again when it has ended",
                    backing, other->pid));
  }
  throw std::runtime_error(
      fmt::format("{} is already mounted{}: use that mount, or unmount it first", backing,
                  other ? fmt::format(" on {} by process {}", other->mountpoint, other->pid) : ""));
}

Registration::~Registration() {
  (void)::unlink((directory_ + "/" + kRecord).c_str());
  (void)::unlink((directory_ + "/" + kLock).c_str());
  (void)::rmdir(directory_.c_str());
}

void Registration::publish(const MountRecord& record) {
  std::string text =
      fmt::format("mountpoint={}\nbacking={}\ncontrol={}\nlog={}\npid={}\nversion={}\n",
                  escaped(record.mountpoint), escaped(record.backing), escaped(record.control),
                  escaped(record.log), record.pid, escaped(record.version));
  std::string path = directory_ + "/" + kRecord;
  std::string fresh = path + ".new";
  Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  bool ok = file && ::write(file.get(), text.data(), text.size()) == ssize_t(text.size()) &&
            ::rename(fresh.c_str(), path.c_str()) == 0;
  if (!ok) throw std::system_error(errno, std::generic_category(), "cannot write " + path);
}

}  // namespace ramfs
