// Directories: listing them, with and without the attributes of what is in them.

#include <string>
#include <vector>

#include "operations.h"
#include "reply.h"

namespace ramfs {
namespace {

Handle handle_of(const fuse_file_info* info) {
  return Handle{info->fh};
}

// Fills one answer to readdir or readdirplus.
class Listing {
 public:
  Listing(fuse_req_t request, size_t room, bool plus)
      : request_(request), buffer_(room), plus_(plus), times_(filesystem(request).cache_times()) {}

  // False: no room for this one.
  bool add(const DirectoryItem& item) {
    name_.assign(item.name);  // libfuse wants it with its NUL
    std::span<char> rest = std::span(buffer_).subspan(used_);
    size_t size = plus_ ? add_plus(item, rest) : add_plain(item, rest);
    if (size > rest.size()) return false;
    used_ += size;
    if (plus_ && item.entry) entries_.push_back(item.entry->inode);
    return true;
  }

  // An error that comes after the first name is told by the next call: the names that went before
  // it carry lookups that the kernel must learn of.
  void answer(const Result<void>& result) {
    Reply reply(request_);
    if (!result && used_ == 0) return std::move(reply).error(result.error());
    Filesystem& files = filesystem(request_);
    if (std::move(reply).entries(std::span(buffer_).first(used_))) return;
    for (InodeId inode : entries_) files.forget(inode, 1);
  }

 private:
  size_t add_plain(const DirectoryItem& item, std::span<char> room) {
    struct stat what {};
    what.st_ino = item.number;
    what.st_mode = mode_of(item.type);
    return fuse_add_direntry(request_, room.data(), room.size(), name_.c_str(), &what,
                             static_cast<off_t>(item.next));
  }

  // Without an entry (".", "..", or gone meanwhile) the node id is 0 and nothing is looked up.
  size_t add_plus(const DirectoryItem& item, std::span<char> room) {
    fuse_entry_param entry{};
    if (item.entry) entry = to_entry_param(*item.entry, times_);
    entry.attr.st_ino = item.number;
    if (!item.entry) entry.attr.st_mode = mode_of(item.type);
    return fuse_add_direntry_plus(request_, room.data(), room.size(), name_.c_str(), &entry,
                                  static_cast<off_t>(item.next));
  }

  static mode_t mode_of(uint32_t type) { return static_cast<mode_t>(type) << 12; }

  fuse_req_t request_;
  std::vector<char> buffer_;
  size_t used_ = 0;
  const bool plus_;
  const CacheTimes times_;
  std::string name_;
  std::vector<InodeId> entries_;
};

void list(fuse_req_t request, size_t size, off_t offset, const fuse_file_info* info, bool plus) {
  Listing listing(request, size, plus);
  auto result = filesystem(request).readdir(
      handle_of(info), static_cast<uint64_t>(offset), plus,
      [&listing](const DirectoryItem& item) { return listing.add(item); });
  listing.answer(result);
}

void opendir(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) {
  Filesystem& files = filesystem(request);
  auto handle = files.opendir(InodeId{inode});
  Reply reply(request);
  if (!handle) return std::move(reply).error(handle.error());
  info->fh = static_cast<uint64_t>(*handle);
  if (!std::move(reply).opened(*info)) files.releasedir(*handle);
}

void readdir(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info* info) {
  list(request, size, offset, info, false);
}

void readdirplus(fuse_req_t request, fuse_ino_t, size_t size, off_t offset, fuse_file_info* info) {
  list(request, size, offset, info, true);
}

void releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  filesystem(request).releasedir(handle_of(info));
  Reply(request).done();
}

void fsyncdir(fuse_req_t request, fuse_ino_t, int, fuse_file_info* info) {
  auto result = filesystem(request).fsyncdir(handle_of(info));
  Reply(request).result(result);
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& operations) {
  operations.opendir = guarded<opendir>;
  operations.readdir = guarded<readdir>;
  operations.readdirplus = guarded<readdirplus>;
  operations.releasedir = guarded<releasedir>;
  operations.fsyncdir = guarded<fsyncdir>;
}

}  // namespace ramfs
