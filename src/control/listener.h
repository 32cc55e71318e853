#pragma once

#include <functional>
#include <string>
#include <thread>

#include "ramfs/os/fd.h"

namespace ramfs {

// A Unix socket, mode 0600 from its first moment, and the thread that accepts from it. Callers
// that are neither root nor our own user are turned away, whatever the mode says by then.
class Listener {
 public:
  // `connected` gets each connection, non-blocking, on the listener's thread.
  // Throws std::runtime_error with one line.
  Listener(const std::string& path, std::function<void(Fd)> connected);
  ~Listener();  // removes the socket
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  void bind_and_listen();
  void run();

  const std::string path_;
  const std::function<void(Fd)> connected_;
  Fd socket_;
  Fd stop_;              // an eventfd
  std::jthread thread_;  // last: starts when everything above exists
};

}  // namespace ramfs
