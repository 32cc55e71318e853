#pragma once

#include <string>

namespace ramfs {

// libfuse reports by printing; from now on it goes to our log.
void route_fuse_messages();

// While one lives, what libfuse and fusermount3 (on standard error) have to say is kept instead of
// printed: it is the reason for a mount that fails. One at a time.
class FuseMessages {
 public:
  FuseMessages();
  ~FuseMessages();
  FuseMessages(const FuseMessages&) = delete;
  FuseMessages& operator=(const FuseMessages&) = delete;

  // What was said, in one line.
  std::string take();

 private:
  int stderr_ = -1;   // the real one
  int capture_ = -1;  // what stands in for it
};

}  // namespace ramfs
