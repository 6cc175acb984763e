#pragma once

#include <cerrno>

namespace dma_streams {

// Native functions answer as the kernel does: 0 or a count on success, -errno on failure. An exception would cost
// microseconds, a number costs nothing; binding/errors.ts makes the one error object of it. Only what a correct caller
// never does (an argument of the wrong kind) throws, and that is a TypeError.
using Result = int;

// The failure that the last system call reported.
inline Result LastError() {
  return -errno;
}

}  // namespace dma_streams
