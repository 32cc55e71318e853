#include "ramfs/core/inode.h"

#include <utility>

namespace ramfs {

Inode::Place Inode::place() const {
  MutexLock lock(mutex_);
  return place_;
}

void Inode::set_place(Place place) {
  MutexLock lock(mutex_);
  std::swap(place_, place);
}

std::shared_ptr<FileData> Inode::data() const {
  MutexLock lock(mutex_);
  return data_;
}

// What is replaced goes after the lock: it may be the last reference.
void Inode::set_data(std::shared_ptr<FileData> data) {
  MutexLock lock(mutex_);
  std::swap(data_, data);
}

FdLease Inode::pinned() const {
  MutexLock lock(mutex_);
  return pinned_;
}

void Inode::pin(FdLease fd) {
  MutexLock lock(mutex_);
  std::swap(pinned_, fd);
}

}  // namespace ramfs
