#include "signals.h"

#include <pthread.h>

#include <csignal>
#include <cstring>

#include "ramfs/base/logging.h"

namespace ramfs {
namespace {

// Wakes the thread when it is to go.
constexpr int kWake = SIGUSR1;

sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, kWake}) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

void block_ending_signals() {
  sigset_t signals = ending_signals();
  (void)::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

SignalThread::SignalThread(std::function<void()> end)
    : end_(std::move(end)), thread_([this](std::stop_token stopping) { run(stopping); }) {}

SignalThread::~SignalThread() {
  thread_.request_stop();
  (void)::pthread_kill(thread_.native_handle(), kWake);
}

void SignalThread::run(std::stop_token stopping) {
  (void)::pthread_setname_np(::pthread_self(), "signals");
  sigset_t signals = ending_signals();
  bool ending = false;
  while (!stopping.stop_requested()) {
    int signal = 0;
    if (::sigwait(&signals, &signal) != 0 || signal == kWake) continue;
    const char* name = ::strsignal(signal);
    if (ending) {
      log_info("{}: already ending; what is written is going to the backing directory", name);
      continue;
    }
    log_info("{}: unmounting", name);
    ending = true;
    end_();
  }
}

}  // namespace ramfs
