#include "util/file_descriptor.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "util/job_thread.h"

namespace dma_streams {

namespace {

// Freeing fewer bytes than this takes less time than starting a thread.
constexpr int64_t kLarge = int64_t{4} << 20;

// The unit of st_blocks, in bytes.
constexpr int64_t kBlock = 512;

constexpr size_t kSmallestPage = 4096;

// Takes another reference to a file with many pages: an inaccessible mapping of one page. A duplicate would do as well,
// but would use up a number. Null when the file has few pages, or cannot be mapped.
void* HoldPages(int fd, size_t& length) {
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_blocks <= kLarge / kBlock) {
    return nullptr;
  }
  // Huge pages can only be mapped and unmapped as a whole.
  length = std::max(kSmallestPage, static_cast<size_t>(status.st_blksize));
  void* address = ::mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  return address == MAP_FAILED ? nullptr : address;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ < 0) {
    return;
  }
  size_t length = 0;
  void* held = HoldPages(fd_, length);
  // Not repeated on EINTR: on Linux the descriptor is closed even then, and its number may be in use again.
  ::close(fd_);
  if (held != nullptr) {
    RunDetached([held, length] { ::munmap(held, length); });
  }
}

Result FileDescriptor::Duplicate(int fd, std::shared_ptr<FileDescriptor>& out) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) {
    return LastError();
  }
  out = std::make_shared<FileDescriptor>(copy);
  return 0;
}

}  // namespace dma_streams
