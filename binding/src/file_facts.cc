#include "file_facts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>

#include "util/arguments.h"

namespace dma_streams {

Result FileFacts::Of(int fd, FileFacts& out) {
  out = FileFacts{};
  out.fd = fd;
  struct stat status{};
  if (::fstat(fd, &status) != 0) {
    return LastError();
  }
  if (!S_ISREG(status.st_mode)) {
    return FileDescriptor::Duplicate(fd, out.device);
  }
  out.pages = (static_cast<uint64_t>(status.st_size) + kPageSize - 1) / kPageSize;
  out.seals = std::max(0, ::fcntl(fd, F_GET_SEALS));
  struct statfs file_system{};
  const auto block = static_cast<uint64_t>(status.st_blksize);
  out.huge = block > kPageSize && (::fstatfs(fd, &file_system) != 0 || file_system.f_type == HUGETLBFS_MAGIC);
  out.unit = out.huge ? block : kPageSize;
  return 0;
}

bool FileFacts::cannot_shrink() const {
  return is_private() || (seals & F_SEAL_SHRINK) != 0;
}

bool FileFacts::sealed_against_writing() const {
  return (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0;
}

}  // namespace dma_streams
