// Names: lookup and forget, and everything that makes, moves or removes one.

#include <chrono>

#include "operations.h"
#include "reply.h"

namespace ramfs {
namespace {

// The kernel now counts one lookup, or it never saw the answer and the count goes back.
void answer_entry(fuse_req_t request, const Result<Entry>& entry) {
  Filesystem& files = filesystem(request);
  Reply reply(request);
  if (!entry) return std::move(reply).error(entry.error());
  if (!std::move(reply).entry(to_entry_param(*entry, files.cache_times()))) {
    files.forget(entry->inode, 1);
  }
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  Filesystem& files = filesystem(request);
  auto entry = files.lookup(InodeId{parent}, name);
  auto negative = files.cache_times().negative_entries;
  if (entry || entry.error() != Errno{ENOENT} || negative.count() == 0) {
    return answer_entry(request, entry);
  }
  fuse_entry_param nothing{};
  nothing.entry_timeout = std::chrono::duration<double>(negative).count();
  (void)Reply(request).entry(nothing);
}

void forget(fuse_req_t request, fuse_ino_t inode, uint64_t lookups) {
  filesystem(request).forget(InodeId{inode}, lookups);
  Reply(request).none();
}

void forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgets) {
  Filesystem& files = filesystem(request);
  for (const fuse_forget_data& one : std::span(forgets, count)) {
    files.forget(InodeId{one.ino}, one.nlookup);
  }
  Reply(request).none();
}

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  answer_entry(request,
               filesystem(request).mknod(InodeId{parent}, name, mode, device, caller(request)));
}

void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  answer_entry(request, filesystem(request).mkdir(InodeId{parent}, name, mode, caller(request)));
}

void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  answer_entry(request,
               filesystem(request).symlink(InodeId{parent}, name, target, caller(request)));
}

void link(fuse_req_t request, fuse_ino_t inode, fuse_ino_t parent, const char* name) {
  answer_entry(request, filesystem(request).link(InodeId{inode}, InodeId{parent}, name));
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  auto result = filesystem(request).unlink(InodeId{parent}, name);
  Reply(request).result(result);
}

void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  auto result = filesystem(request).rmdir(InodeId{parent}, name);
  Reply(request).result(result);
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
  auto result = filesystem(request).rename(InodeId{parent}, name, InodeId{new_parent}, new_name,
                                           flags, caller(request));
  Reply(request).result(result);
}

void readlink(fuse_req_t request, fuse_ino_t inode) {
  auto target = filesystem(request).readlink(InodeId{inode});
  Reply reply(request);
  if (!target) return std::move(reply).error(target.error());
  std::move(reply).target(*target);
}

}  // namespace

void add_name_operations(fuse_lowlevel_ops& operations) {
  operations.lookup = guarded<lookup>;
  operations.forget = guarded<forget>;
  operations.forget_multi = guarded<forget_multi>;
  operations.mknod = guarded<mknod>;
  operations.mkdir = guarded<mkdir>;
  operations.symlink = guarded<symlink>;
  operations.link = guarded<link>;
  operations.unlink = guarded<unlink>;
  operations.rmdir = guarded<rmdir>;
  operations.rename = guarded<rename>;
  operations.readlink = guarded<readlink>;
}

}  // namespace ramfs
