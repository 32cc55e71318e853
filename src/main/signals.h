#pragma once

#include <functional>
#include <thread>

namespace ramfs {

// Keeps SIGTERM, SIGINT and SIGHUP from every thread that is started later.
void block_ending_signals();

// Waits for those signals: the first one calls `end`, later ones only leave a line in the log.
class SignalThread {
 public:
  explicit SignalThread(std::function<void()> end);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  void run(std::stop_token stopping);

  std::function<void()> end_;
  std::jthread thread_;
};

}  // namespace ramfs
