#include "ramfs/core/file_table.h"

namespace ramfs {

Result<FileTable::Opened> FileTable::open(const InodePtr& inode, int fd, bool named) {
  std::shared_ptr<FileData> data;
  sys::Attributes attributes;
  {
    // Looked at under the lock: data that goes in between would leave the size from before its
    // writeback behind.
    MutexLock lock(stripe(*inode));
    auto found = sys::stat_fd(fd);
    if (!found) return fail(found.error());
    attributes = *found;
    data = inode->data();
    if (!data && inode->data_lost) return fail(ESTALE);
    if (!data) {
      auto known = inode->version();
      data = std::make_shared<FileData>(services_, inode, attributes, named);
      inode->set_data(data);
      data->opened();
      return Opened{data, attributes, !known || *known == FileData::version_of(attributes)};
    }
    data->opened();
  }
  return Opened{data, attributes, data->revalidate(attributes)};
}

void FileTable::close(const std::shared_ptr<FileData>& data) {
  data->closed();
  let_go(*data);
}

void FileTable::let_go(FileData& data) {
  InodePtr inode = data.inode();
  {
    MutexLock lock(stripe(*inode));
    if (!data.idle() || inode->data().get() != &data) return;
    inode->set_data(nullptr);
  }
  if (services_.table.release(inode)) services_.files.drop(*inode);
}

}  // namespace ramfs
