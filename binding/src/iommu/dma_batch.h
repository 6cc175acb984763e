#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "iommu/dma_request.h"
#include "memory/reservation.h"

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

// Turns rows into requests. The address spaces must not change while it is in use.
class RowReader {
 public:
  DmaRequest Read(std::span<const double, kRowLength> row);

  // The address spaces that the rows name. Their addresses stay reserved while a pointer to them exists.
  std::vector<std::shared_ptr<Reservation>> Spaces() const;

 private:
  struct Space {
    uint64_t id;
    std::shared_ptr<Reservation> reservation;
    MappingTable::Walk walk;
  };

  Space* FindSpace(uint64_t id);
  Result FindVa(uint64_t space, uint64_t gpa, DmaRequest& request);

  std::vector<Space> spaces_;
};

// Rows that are run after the call from JavaScript has returned. It owns everything that they need.
class DmaBatch {
 public:
  explicit DmaBatch(std::span<const double> rows);

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
  std::vector<std::shared_ptr<Reservation>> spaces_;
  std::vector<std::pair<int, std::shared_ptr<FileDescriptor>>> files_;
};

void ExportDmaBatch(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
