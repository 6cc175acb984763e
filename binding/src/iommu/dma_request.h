#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// What a row of a batch asks for; the numbers are those in its bits 0 to 2 (see dma_batch.h).
enum class RowKind : uint8_t { kUnmap = 0, kMapVa = 1, kMapFile = 2, kUnmapAll = 3, kCopy = 4, kInvalid = 7 };

// One call to the kernel: a range of I/O virtual addresses to map or to unmap.
struct DmaRequest {
  RowKind kind = RowKind::kInvalid;
  bool writable = false;
  uint64_t iova = 0;
  uint64_t length = 0;
  // Of kMapVa: the host virtual address.
  uint64_t va = 0;
  // Of kMapVa, for a mapper that asks for it (see kKeepsMemory): what owns the memory at that address. While this
  // pointer exists, nothing else is mapped there.
  std::shared_ptr<const void> memory;
  // Of kMapFile.
  int fd = -1;
  uint64_t file_offset = 0;
  // Of kCopy: where the mapping is already.
  uint32_t source_ioas = 0;
  uint64_t source_iova = 0;
  // 0, or the -errno with which the request is refused without a system call.
  Result refused = 0;
};

inline bool Unmaps(const DmaRequest& request) {
  return request.kind == RowKind::kUnmap || request.kind == RowKind::kUnmapAll;
}

// Sends requests to a VFIO container, an IOAS, or the memory slots of a VM. Safe to use on any thread.
class DmaMapper {
 public:
  // Whether what it maps has to keep the addresses of its memory, because the kernel does not pin the pages.
  static constexpr bool kKeepsMemory = false;

  DmaMapper() = default;
  DmaMapper(const DmaMapper&) = default;
  DmaMapper& operator=(const DmaMapper&) = delete;
  virtual ~DmaMapper() = default;

  // 0 | -errno. On failure nothing of the request is mapped.
  virtual Result Map(const DmaRequest& request) const = 0;
  // 0 | -errno; `unmapped` is how many bytes were unmapped, by what the kernel reports.
  virtual Result Unmap(const DmaRequest& request, uint64_t& unmapped) const = 0;

  // Sends a request of any kind. For one that unmaps, `length` becomes what `unmapped` says.
  Result Run(DmaRequest& request) const;
};

// VFIO type1v2.
class ContainerMapper : public DmaMapper {
 public:
  explicit ContainerMapper(std::shared_ptr<FileDescriptor> fd) : fd_(std::move(fd)) {}
  Result Map(const DmaRequest& request) const override;
  Result Unmap(const DmaRequest& request, uint64_t& unmapped) const override;

 private:
  const std::shared_ptr<FileDescriptor> fd_;
};

// An IOAS of an iommufd.
class IoasMapper : public DmaMapper {
 public:
  IoasMapper(std::shared_ptr<FileDescriptor> fd, uint32_t ioas) : fd_(std::move(fd)), ioas_(ioas) {}
  Result Map(const DmaRequest& request) const override;
  Result Unmap(const DmaRequest& request, uint64_t& unmapped) const override;

 private:
  const std::shared_ptr<FileDescriptor> fd_;
  const uint32_t ioas_;
};

}  // namespace dma_streams
