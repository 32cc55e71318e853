#include "ramfs/core/file_table.h"

namespace ramfs {

std::shared_ptr<FileData> FileTable::open(const InodePtr& inode, const sys::Attributes& attributes,
                                          bool named) {
  MutexLock lock(stripe(*inode));
  auto data = inode->data();
  if (!data) {
    data = std::make_shared<FileData>(services_, inode, attributes, named);
    inode->set_data(data);
  }
  data->opened();
  return data;
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
