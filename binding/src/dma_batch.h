#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dma_mapper.h"
#include "reservation.h"

namespace dma_streams {

// Many maps and unmaps in one call from JavaScript.
//
// A row is four numbers: what, IOVA, length, source. `what`: bits 0 to 1 are 0 to unmap, 1 to map by host virtual
// address, 2 to map by file, 3 to unmap everything; bit 2: writable; bits 8 to 31: which of the address spaces of the
// call (1); bits 32 to 63: the file descriptor (2). `source`: a guest physical address (1), or an offset in the file
// (2).
//
// The result of a row is 0 or -errno. Of a row that unmaps, `length` becomes how many bytes were unmapped.
class DmaBatch {
 public:
  static constexpr size_t kRowLength = 4;

  // `keep_files`: rows are used after this call returns, when their descriptors may be closed.
  DmaBatch(std::span<const uint64_t> rows, const std::vector<std::shared_ptr<Reservation>>& spaces, bool keep_files);

  // Calls the kernel for one row after another; ends after the first failure when told to.
  void Run(const DmaMapper& mapper, bool stop_at_failure);

  // How many rows were run.
  size_t done() const {
    return results_.size();
  }
  void CopyOut(std::span<uint64_t> rows, std::span<int32_t> results) const;

 private:
  DmaStep ReadRow(std::span<const uint64_t> row, const std::vector<std::shared_ptr<Reservation>>& spaces);
  void KeepFile(DmaStep& step);

  const bool keep_files_;
  std::vector<DmaStep> steps_;
  std::vector<Result> results_;
  // The addresses stay reserved, and the files open, as long as the kernel may be asked for them.
  std::vector<std::shared_ptr<Reservation>> spaces_;
  std::vector<std::pair<int, std::shared_ptr<FileDescriptor>>> files_;
};

void ExportDmaBatch(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
