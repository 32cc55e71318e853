#include "listener.h"

#include <fmt/core.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "ramfs/base/logging.h"

namespace ramfs {
namespace {

constexpr int kWaitingCallers = 16;

[[noreturn]] void refuse(const std::string& path, const char* what) {
  throw std::runtime_error(fmt::format("control socket {}: {}", path, what));
}

[[noreturn]] void refuse_errno(const std::string& path) {
  refuse(path, std::strerror(errno));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    refuse(path, "the path is longer than 107 bytes; give a shorter one with control=PATH");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

int connect_to(int socket, const sockaddr_un& address) {
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// Removes what a killed daemon left; a living one, or anything but a socket, is not touched.
void remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat found;
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return;
    refuse_errno(path);
  }
  if (!S_ISSOCK(found.st_mode)) refuse(path, "exists and is no socket; remove it");
  Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) refuse_errno(path);
  // EAGAIN: somebody listens, and is busy.
  if (connect_to(probe.get(), address) == 0 || errno == EAGAIN) {
    refuse(path, "another daemon uses it; give another one with control=PATH");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) refuse_errno(path);
}

bool may_ask(int connection) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

Listener::Listener(const std::string& path, std::function<void(Fd)> connected)
    : path_(path),
      connected_(std::move(connected)),
      socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!socket_ || !stop_) refuse_errno(path_);
  bind_and_listen();
  thread_ = std::jthread([this] { run(); });
}

Listener::~Listener() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
  ::unlink(path_.c_str());
}

void Listener::bind_and_listen() {
  sockaddr_un address = address_of(path_);
  remove_stale(path_, address);
  // On a socket that is not bound yet this decides the mode that bind() creates the file with, so
  // that nobody else can connect at any moment.
  if (::fchmod(socket_.get(), 0600) != 0) refuse_errno(path_);
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    refuse_errno(path_);
  }
  if (::listen(socket_.get(), kWaitingCallers) != 0) {
    ::unlink(path_.c_str());
    refuse_errno(path_);
  }
}

void Listener::run() {
  ::pthread_setname_np(::pthread_self(), "control");
  pollfd waited[2] = {{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
  while (true) {
    if (::poll(waited, 2, -1) < 0 && errno != EINTR) return;
    if (waited[0].revents != 0) return;
    Fd connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) {
      // Out of descriptors: the caller stays in the queue, so waiting for one would return at once.
      if (errno == EMFILE || errno == ENFILE) ::poll(waited, 1, 1000);
      continue;
    }
    if (!may_ask(connection.get())) {
      log_info("control: turned a caller of another user away");
      continue;
    }
    connected_(std::move(connection));
  }
}

}  // namespace ramfs
