#pragma once

#include <cerrno>

namespace dma_streams {

// Native functions answer as the kernel does: 0 or a count on success, -errno on failure. An exception would take
// microseconds; binding/errors.ts makes the error object from the number. Only an argument of the wrong kind, which a
// correct caller never passes, throws: a TypeError.
using Result = int;

// The failure that the last system call reported.
inline Result LastError() {
  return -errno;
}

}  // namespace dma_streams
