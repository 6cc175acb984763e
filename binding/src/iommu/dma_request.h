#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// One call to the kernel: a range of I/O virtual addresses to map or to unmap.
struct DmaStep {
  enum class What : uint8_t { kUnmap, kMapVa, kMapFile, kUnmapAll, kCopy, kNothing };

  What what = What::kNothing;
  bool writable = false;
  uint64_t iova = 0;
  uint64_t length = 0;
  // Of kMapVa: the host virtual address.
  uint64_t va = 0;
  // Of kMapFile.
  int fd = -1;
  uint64_t file_offset = 0;
  // Of kCopy: where the mapping is already.
  uint32_t source_ioas = 0;
  uint64_t source_iova = 0;
  // Known before the kernel is asked: 0, or why the step cannot be made.
  Result refused = 0;
};

// What maps for devices: a VFIO container, or an IOAS. Safe to use on any thread.
class DmaMapper {
 public:
  DmaMapper() = default;
  DmaMapper(const DmaMapper&) = default;
  DmaMapper& operator=(const DmaMapper&) = delete;
  virtual ~DmaMapper() = default;

  // 0 | -errno. On failure nothing of the step is mapped.
  virtual Result Map(const DmaStep& step) const = 0;
  // 0 | -errno; `unmapped` is how many bytes were, as far as the kernel says.
  virtual Result Unmap(const DmaStep& step, uint64_t& unmapped) const = 0;

  // Makes a step of any kind. Of one that unmaps, `length` becomes what `unmapped` says.
  Result Make(DmaStep& step) const;
};

// VFIO type1v2.
class ContainerMapper : public DmaMapper {
 public:
  explicit ContainerMapper(std::shared_ptr<FileDescriptor> fd) : fd_(std::move(fd)) {}
  Result Map(const DmaStep& step) const override;
  Result Unmap(const DmaStep& step, uint64_t& unmapped) const override;

 private:
  const std::shared_ptr<FileDescriptor> fd_;
};

// An IOAS of an iommufd.
class IoasMapper : public DmaMapper {
 public:
  IoasMapper(std::shared_ptr<FileDescriptor> fd, uint32_t ioas) : fd_(std::move(fd)), ioas_(ioas) {}
  Result Map(const DmaStep& step) const override;
  Result Unmap(const DmaStep& step, uint64_t& unmapped) const override;

 private:
  const std::shared_ptr<FileDescriptor> fd_;
  const uint32_t ioas_;
};

}  // namespace dma_streams
