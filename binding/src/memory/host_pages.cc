#include "memory/host_pages.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include <algorithm>

#include "memory/host_address.h"

// Of <linux/mman.h> since 5.18.
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

// Of <linux/prctl.h> since 5.17; older headers lack them, and older kernels refuse the call, which only costs the name.
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

namespace dma_streams {

namespace {

// How much is freed at a time: other threads that touch memory for the first time wait for one such step at most.
constexpr uint64_t kDropStep = uint64_t{4} << 20;
// Of mappings of more than 64 GiB, which are rarely touched everywhere, the steps are longer.
constexpr uint64_t kMostSteps = uint64_t{1} << 14;

}  // namespace

uint64_t LargestPage(uint64_t length) {
  constexpr uint64_t kLargest = uint64_t{1} << 30;
  constexpr uint64_t kLarge = uint64_t{1} << 21;
  return length >= kLargest ? kLargest : length >= kLarge ? kLarge : kPageSize;
}

void DropPages(ByteRange addresses) {
  const uint64_t step = std::max(kDropStep, addresses.length() / kMostSteps / kDropStep * kDropStep);
  for (uint64_t at = addresses.start; at < addresses.end; at += step) {
    const uint64_t length = std::min(step, addresses.end - at);
    void* address = Pointer(at);
    if (::madvise(address, length, MADV_DONTNEED) != 0 && ::madvise(address, length, MADV_DONTNEED_LOCKED) != 0) {
      return;
    }
  }
}

void PreparePrivate(ByteRange addresses, const std::string& name) {
  // After a fork, a write would copy the page, and this process and a device would no longer share it.
  ::madvise(Pointer(addresses.start), addresses.length(), MADV_DONTFORK);
  ::prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, addresses.start, addresses.length(), name.c_str());
}

}  // namespace dma_streams
