#include "memory/safe_copy.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "memory/host_address.h"

namespace dma_streams {

namespace {

// One system call moves at most this much: the kernel's own limit is 2 GiB less a page.
constexpr size_t kLongestStep = size_t{1} << 30;

// Repeats `step(done, length)` until everything is moved. An interruption is not a failure; no progress is.
template <typename Step>
Result RepeatUntilDone(size_t length, size_t& done, Step step) {
  done = 0;
  while (done < length) {
    const ssize_t moved = step(done, std::min(length - done, kLongestStep));
    if (moved > 0) {
      done += static_cast<size_t>(moved);
    } else if (moved == 0) {
      return -EFAULT;
    } else if (errno != EINTR) {
      return LastError();
    }
  }
  return 0;
}

}  // namespace

Result CopyFromFragile(void* to, uint64_t from, size_t length, size_t& done) {
  return RepeatUntilDone(length, done, [&](size_t at, size_t size) {
    const iovec local = {static_cast<char*>(to) + at, size};
    const iovec remote = {Pointer(from + at), size};
    return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0);
  });
}

Result CopyToFragile(uint64_t to, const void* from, size_t length, size_t& done) {
  return RepeatUntilDone(length, done, [&](size_t at, size_t size) {
    const iovec local = {const_cast<char*>(static_cast<const char*>(from)) + at, size};
    const iovec remote = {Pointer(to + at), size};
    return ::process_vm_writev(::getpid(), &local, 1, &remote, 1, 0);
  });
}

Result CopyFromDevice(int device, uint64_t offset, void* to, size_t length, size_t& done) {
  return RepeatUntilDone(length, done, [&](size_t at, size_t size) {
    return ::pread(device, static_cast<char*>(to) + at, size, static_cast<off_t>(offset + at));
  });
}

Result CopyToDevice(int device, uint64_t offset, const void* from, size_t length, size_t& done) {
  return RepeatUntilDone(length, done, [&](size_t at, size_t size) {
    return ::pwrite(device, static_cast<const char*>(from) + at, size, static_cast<off_t>(offset + at));
  });
}

}  // namespace dma_streams
