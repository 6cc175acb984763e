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

Result FileFacts::Of(int fd, FileFacts& out) {
  out = FileFacts{};
  out.fd = fd;
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return LastError();
  }
  if (!S_ISREG(status.st_mode)) {
    out.missing = MissingPages::kPossible;
    return FileDescriptor::Duplicate(fd, out.device);
  }
  out.device_number = status.st_dev;
  out.inode = status.st_ino;
  out.pages = (static_cast<uint64_t>(status.st_size) + kPageSize - 1) / kPageSize;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  out.seals = std::max(0, seals);
  const auto block = static_cast<uint64_t>(status.st_blksize);
  bool huge = false;
  bool secret = false;
  // What has seals and small blocks is known without another call: shared memory in ordinary pages.
  if (seals < 0 || block > kPageSize) {
    struct statfs file_system{};
    const bool known = ::fstatfs(fd, &file_system) == 0;
    huge = block > kPageSize && (!known || file_system.f_type == HUGETLBFS_MAGIC);
    secret = known && file_system.f_type == SECRETMEM_MAGIC;
  }
  out.unit = huge ? block : kPageSize;
  if (!secret) {
    const bool sealed = (out.seals & F_SEAL_SHRINK) != 0;
    out.missing = sealed && !huge ? MissingPages::kUnderStrictCommit : MissingPages::kPossible;
  }
  return 0;
}

// The kernel joins mappings of the same open file. The number of a descriptor is not enough to tell: it may be used for
// another file later.
uint64_t FileFacts::area_kind(uint64_t file_number) const {
  if (file_number == 0 || is_private() || device != nullptr || unit > kPageSize) {
    return 0;
  }
  constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;
  return (((inode * kSpread + device_number) * kSpread + static_cast<uint64_t>(fd)) * kSpread + file_number) << 2;
}

bool FileFacts::sealed_against_writing() const {
  return (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
}

}  // namespace dma_streams
