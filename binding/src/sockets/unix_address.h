#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "util/error.h"

namespace dma_streams {

// The address of a unix socket that has a path. -ENAMETOOLONG above 107 bytes; -EINVAL for an empty path, or one with a
// zero byte: those are addresses of another kind.
inline Result ToUnixAddress(const std::string& path, sockaddr_un& out) {
  out = {};
  if (path.empty() || path.find('\0') != std::string::npos) {
    return -EINVAL;
  }
  if (path.size() >= sizeof(out.sun_path)) {
    return -ENAMETOOLONG;
  }
  out.sun_family = AF_UNIX;
  path.copy(out.sun_path, path.size());
  return 0;
}

// A unix stream socket that does not block, and is closed on exec; or -errno.
inline int NewUnixSocket() {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd < 0 ? LastError() : fd;
}

}  // namespace dma_streams
