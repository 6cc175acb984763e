#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "util/byte_range.h"
#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// Maps inaccessible memory at these addresses. It is mapped from an empty file, so that /proc/self/maps shows the
// owner. The offset in the file equals the address, so that neighbours are one memory area for the kernel.
Result MapInaccessible(const FileDescriptor& empty_file, ByteRange addresses, int flags);

// Host addresses outside of a reservation, for mappings whose place in it may still be reached through an old view.
//
// A block that is given back stays reserved and inaccessible, and is used again. It is unmapped only together with all
// the others: a system call on another thread may still use its address, which must never belong to other memory.
class HostBlocks {
 public:
  explicit HostBlocks(const FileDescriptor& empty_file) : empty_file_(empty_file) {}
  HostBlocks(const HostBlocks&) = delete;
  HostBlocks& operator=(const HostBlocks&) = delete;

  // An inaccessible block of at least `length` bytes. `place` is the address that it stands for: both have the same
  // offset in a page of 1 GiB, or of 2 MiB, when the block is at least that long.
  Result Take(uint64_t length, uint64_t place, uint64_t& address);
  // Gives back a block that is inaccessible again.
  void Give(uint64_t address);

  // Every block there is, in use or not.
  const std::vector<ByteRange>& all() const {
    return all_;
  }

 private:
  const FileDescriptor& empty_file_;
  std::vector<ByteRange> all_;
  // Blocks in use, by address, with their length.
  std::map<uint64_t, uint64_t> used_;
  // Blocks that are not, by length.
  std::multimap<uint64_t, uint64_t> free_;
};

}  // namespace dma_streams
