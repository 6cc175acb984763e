#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "iommu/dma_request.h"
#include "memory/guest_memory.h"
#include "memory/ram_block.h"

namespace dma_streams {

// Many maps and unmaps in one call from JavaScript.
//
// A row is four numbers: kind, IOVA, length, source. They are doubles, which JavaScript writes ten times faster than
// 64-bit integers: a multiple of 4096 below 2^64 is exact as a double. `kind`: bits 0 to 2 are 0 to unmap, 1 to map by
// host virtual address, 2 to map by file, 3 to unmap everything, 4 to copy a mapping of another IOAS; bit 3: writable;
// from bit 4: the number of an address space (1), the file descriptor (2), the other IOAS (4). `source`: a guest
// physical address (1), an offset in the file (2), an IOVA (4).
//
// The result of a row is 0 or -errno. Of a row that unmaps, `length` becomes how many bytes were unmapped.
inline constexpr size_t kRowLength = 4;

// What a RowReader keeps of the memory behind host addresses.
enum class Keep : uint8_t {
  // For requests that are run before the call from JavaScript returns.
  kNothing,
  // For requests that are run later: see RowReader::Owners.
  kUntilRun,
  // Each request keeps its own: see DmaRequest::memory.
  kWithRequest,
};

// Turns rows into requests. The address spaces must not change while it is in use.
class RowReader {
 public:
  explicit RowReader(Keep keep) : keep_(keep) {}

  DmaRequest Read(std::span<const double, kRowLength> row);

  // What the host addresses of the requests belong to. While these pointers exist, nothing else is mapped there.
  std::vector<std::shared_ptr<const void>> Owners() const;

 private:
  struct Space {
    uint64_t id;
    std::shared_ptr<GuestMemory> memory;
    MappingTable::Walk walk;
  };

  Space* FindSpace(uint64_t id);
  Result FindVa(uint64_t space, uint64_t gpa, DmaRequest& request);

  const Keep keep_;
  std::vector<Space> spaces_;
  std::vector<std::shared_ptr<RamBlock>> blocks_;
};

// Rows that are run after the call from JavaScript has returned. It owns everything that they need.
class DmaBatch {
 public:
  // `keeps_memory`: see DmaMapper::kKeepsMemory.
  DmaBatch(std::span<const double> rows, bool keeps_memory);

  // Calls the kernel for one row after another, up to the first failure when `stop_at_failure` is set.
  void Run(const DmaMapper& mapper, bool stop_at_failure);

  // How many rows were run.
  size_t done() const {
    return results_.size();
  }
  void CopyOut(std::span<double> rows, std::span<int32_t> results) const;
  // Releases the addresses and files that it keeps for the kernel. Call it after Run.
  void DropReferences();

 private:
  void KeepFile(DmaRequest& request);

  std::vector<DmaRequest> requests_;
  std::vector<Result> results_;
  // They keep the addresses reserved, and the files open, until the rows have been run.
  std::vector<std::shared_ptr<const void>> owners_;
  std::vector<std::pair<int, std::shared_ptr<FileDescriptor>>> files_;
};

}  // namespace dma_streams
