#include "memory/host_blocks.h"

#include <sys/mman.h>

#include "memory/host_address.h"
#include "memory/host_pages.h"

namespace dma_streams {

Result MapInaccessible(const FileDescriptor& empty_file, ByteRange addresses, int flags) {
  const int all_flags = MAP_PRIVATE | MAP_NORESERVE | flags;
  const auto offset = static_cast<off_t>(addresses.start);
  return ::mmap(Pointer(addresses.start), addresses.length(), PROT_NONE, all_flags, empty_file.get(), offset) ==
                 MAP_FAILED
             ? LastError()
             : 0;
}

Result HostBlocks::Take(uint64_t length, uint64_t place, uint64_t& address) {
  const uint64_t alignment = LargestPage(length);
  // A much longer block is kept for longer mappings.
  for (auto block = free_.lower_bound(length); block != free_.end() && block->first / 2 <= length; ++block) {
    if ((block->second - place) % alignment == 0) {
      address = block->second;
      used_.emplace(block->second, block->first);
      free_.erase(block);
      return 0;
    }
  }
  const uint64_t asked = length + alignment - kPageSize;
  void* start = ::mmap(nullptr, asked, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) {
    return LastError();
  }
  const auto first = Address(start);
  address = first + (place - first) % alignment;
  const uint64_t end = address + length;
  if (address > first) {
    ::munmap(Pointer(first), address - first);
  }
  if (first + asked > end) {
    ::munmap(Pointer(end), first + asked - end);
  }
  const Result result = MapInaccessible(empty_file_, {address, end}, MAP_FIXED);
  if (result < 0) {
    ::munmap(Pointer(address), length);
    return result;
  }
  all_.push_back({address, end});
  used_.emplace(address, length);
  return 0;
}

void HostBlocks::Give(uint64_t address) {
  const auto block = used_.find(address);
  free_.emplace(block->second, block->first);
  used_.erase(block);
}

}  // namespace dma_streams
