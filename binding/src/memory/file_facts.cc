#include "memory/file_facts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>

#include "util/byte_range.h"

// Of <linux/magic.h> since 5.14.
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d
#endif

namespace dma_streams {

Result FileFacts::Identify(int fd, FileFacts& out) {
  out = FileFacts{};
  out.fd = fd;
  if (out.is_private()) {
    return 0;
  }
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return LastError();
  }
  out.is_regular = S_ISREG(status.st_mode);
  out.device_number = status.st_dev;
  out.inode = status.st_ino;
  if (out.is_regular) {
    out.bytes = static_cast<uint64_t>(status.st_size);
    out.pages = (out.bytes + kPageSize - 1) / kPageSize;
    out.block_size_ = static_cast<uint64_t>(status.st_blksize);
  }
  return 0;
}

Result FileFacts::Complete() {
  if (is_complete_ || is_private()) {
    return completed_;
  }
  is_complete_ = true;
  if (!is_regular) {
    missing = MissingPages::kPossible;
    completed_ = FileDescriptor::Duplicate(fd, device);
    return completed_;
  }
  const int found = ::fcntl(fd, F_GET_SEALS);
  seals = std::max(0, found);
  bool huge = false;
  bool secret = false;
  // What has seals and small blocks is known without another call: shared memory in ordinary pages.
  if (found < 0 || block_size_ > kPageSize) {
    struct statfs file_system{};
    const bool known = ::fstatfs(fd, &file_system) == 0;
    huge = block_size_ > kPageSize && (!known || file_system.f_type == HUGETLBFS_MAGIC);
    secret = known && file_system.f_type == SECRETMEM_MAGIC;
  }
  unit = huge ? block_size_ : kPageSize;
  if (!secret) {
    const bool sealed = (seals & F_SEAL_SHRINK) != 0;
    missing = sealed && !huge ? MissingPages::kUnderStrictCommit : MissingPages::kPossible;
  }
  return 0;
}

int FileFacts::OpenFlags() {
  if (open_flags_ == -1) {
    open_flags_ = std::max(0, ::fcntl(fd, F_GETFL));
  }
  return open_flags_;
}

bool FileFacts::can_read() {
  const int flags = OpenFlags();
  const int access = flags & O_ACCMODE;
  return (flags & O_PATH) == 0 && (access == O_RDONLY || access == O_RDWR);
}

bool FileFacts::can_write() {
  return (OpenFlags() & O_ACCMODE) == O_RDWR;
}

Result FilesOfSet::Find(int fd, FileFacts*& out) {
  if (last_ == nullptr || last_->facts.fd != fd) {
    const auto [entry, is_new] = known_.try_emplace(fd);
    last_ = &entry->second;
    if (is_new) {
      last_->result = FileFacts::Identify(fd, last_->facts);
    }
  }
  out = &last_->facts;
  return last_->result;
}

// The kernel joins mappings of the same open file. The number of a descriptor is not enough to tell: it may be used for
// another file later.
uint64_t FileFacts::area_kind(uint64_t file_number) const {
  if (file_number == 0 || !is_regular || unit > kPageSize) {
    return 0;
  }
  constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;
  return (((inode * kSpread + device_number) * kSpread + static_cast<uint64_t>(fd)) * kSpread + file_number) << 2;
}

bool FileFacts::sealed_against_writing() const {
  return (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
}

}  // namespace dma_streams
