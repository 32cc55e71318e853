#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <system_error>

#include "process.h"
#include "ramfs/base/logging.h"
#include "ramfs/os/fd.h"

namespace ramfs {
namespace {

// What the child writes first when all is well; anything else is the reason why not.
constexpr char kReady = '\0';

void write_all(int file, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    ssize_t count = ::write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno != EINTR) return;
    if (count > 0) done += static_cast<size_t>(count);
  }
}

void leave_terminal() {
  Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing) return;
  for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    (void)::dup2(nothing.get(), standard);
  }
}

int run_child(Fd pipe, const std::function<int(const std::function<void()>&)>& serve) {
  (void)::setsid();
  (void)::chdir("/");
  try {
    return serve([&pipe] {
      leave_terminal();
      write_all(pipe.get(), std::string(1, kReady));
      pipe.reset();
    });
  } catch (const std::exception& problem) {
    if (pipe)
      write_all(pipe.get(), problem.what());
    else
      log_error("{}", problem.what());
    return 1;
  }
}

std::string read_answer(int pipe) {
  std::string text;
  char buffer[4096];
  while (true) {
    ssize_t count = ::read(pipe, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<size_t>(count));
    if (text.front() == kReady) return text;
  }
}

int wait_for_child(pid_t child, int pipe) {
  std::string answer = read_answer(pipe);
  if (!answer.empty() && answer.front() == kReady) return 0;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (answer.empty() && WIFSIGNALED(status)) {
    answer = fmt::format("the daemon was killed by signal {} before the mount was usable",
                         WTERMSIG(status));
  } else if (answer.empty()) {
    answer = "the daemon ended before the mount was usable; the system log may tell why";
  }
  print_failure(answer);
  return 1;
}

}  // namespace

int in_background(const std::function<int(const std::function<void()>& ready)>& serve) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe");
  Fd reading(ends[0]);
  Fd writing(ends[1]);
  pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    reading.reset();
    return run_child(std::move(writing), serve);
  }
  writing.reset();
  return wait_for_child(child, reading.get());
}

}  // namespace ramfs
