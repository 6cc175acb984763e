#include "file_descriptor.h"

#include <fcntl.h>
#include <unistd.h>

namespace dma_streams {

FileDescriptor::~FileDescriptor() {
  // Not repeated on EINTR: on Linux the descriptor is gone even then, and its number may be somebody else's.
  ::close(fd_);
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
