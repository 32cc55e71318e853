#pragma once

#include <cstdint>

#include "ramfs/base/result.h"
#include "ramfs/core/inode.h"
#include "ramfs/os/sys.h"

namespace ramfs {

// What the namespace asks and tells the data of files. Called from requests, with no lock of the
// namespace held, except lost_last_name() and gained_name(), which must not wait.
class FileHooks {
 public:
  virtual ~FileHooks() = default;

  // Overlays what only RAM knows (size, mtime, ctime, blocks) over attributes that were read from
  // the backing file.
  virtual void overlay(const Inode& inode, sys::Attributes& attributes) = 0;

  // Before `source` replaces an existing name, or a file without a name gets one: its data must be
  // durable first.
  virtual Result<void> before_publish(const InodePtr& source) = 0;

  // Before the backing file becomes unreachable for writeback (its key is a path and is about to
  // change; it is made immutable), or would lose by it what is about to be set (capabilities):
  // write back what is dirty, of a directory all below it.
  virtual Result<void> before_rename(const InodePtr& source) = 0;

  // The last name of a regular file is gone: its dirty data need not be written any more, but can
  // still be read while it is open. May come twice.
  virtual void lost_last_name(const InodePtr& inode) = 0;
  // A file without a name got one (O_TMPFILE, then linkat).
  virtual void gained_name(const InodePtr& inode) = 0;

  // The name or the metadata changed on the backing filesystem, and is not synced there.
  virtual void metadata_changed(const InodePtr& inode) = 0;
  virtual void namespace_changed() = 0;

  // Bytes promised to dirty data: no longer free for others, whatever the backing filesystem says.
  virtual uint64_t promised_bytes() = 0;
};

}  // namespace ramfs
