#include "iommu/dma_request.h"

#include "uapi/iommufd.h"
#include "uapi/vfio.h"

namespace dma_streams {

namespace {

// An interrupted map or unmap has done nothing, and is made again.
template <typename Argument>
Result Request(const std::shared_ptr<FileDescriptor>& fd, unsigned long request, Argument* argument) {
  if (fd == nullptr) {
    return -EBADF;
  }
  const Argument original = *argument;
  for (;;) {
    if (::ioctl(fd->get(), request, argument) >= 0) {
      return 0;
    }
    if (errno != EINTR) {
      return LastError();
    }
    *argument = original;
  }
}

}  // namespace

Result DmaMapper::Make(DmaStep& step) const {
  if (step.refused != 0) {
    return step.refused;
  }
  const bool unmaps = step.what == DmaStep::What::kUnmap || step.what == DmaStep::What::kUnmapAll;
  return unmaps ? Unmap(step, step.length) : Map(step);
}

Result ContainerMapper::Map(const DmaStep& step) const {
  if (step.what != DmaStep::What::kMapVa) {
    return -EOPNOTSUPP;
  }
  uapi::VfioDmaMap map{
      .argsz = sizeof(map),
      .flags = uapi::kVfioDmaMapRead | (step.writable ? uapi::kVfioDmaMapWrite : 0),
      .vaddr = step.va,
      .iova = step.iova,
      .size = step.length,
  };
  return Request(fd_, uapi::kVfioIommuMapDma, &map);
}

Result ContainerMapper::Unmap(const DmaStep& step, uint64_t& unmapped) const {
  const bool all = step.what == DmaStep::What::kUnmapAll;
  uapi::VfioDmaUnmap unmap{
      .argsz = sizeof(unmap),
      .flags = all ? uapi::kVfioDmaUnmapAll : 0,
      .iova = all ? 0 : step.iova,
      .size = all ? 0 : step.length,
  };
  const Result result = Request(fd_, uapi::kVfioIommuUnmapDma, &unmap);
  unmapped = result == 0 ? unmap.size : 0;
  return result;
}

Result IoasMapper::Map(const DmaStep& step) const {
  const uint32_t flags =
      uapi::kIommuMapFixedIova | uapi::kIommuMapReadable | (step.writable ? uapi::kIommuMapWriteable : 0);
  if (step.what == DmaStep::What::kMapFile) {
    uapi::IommuIoasMapFile map{
        .size = sizeof(map),
        .flags = flags,
        .ioas_id = ioas_,
        .fd = step.fd,
        .start = step.file_offset,
        .length = step.length,
        .iova = step.iova,
    };
    return Request(fd_, uapi::kIommuIoasMapFile, &map);
  }
  if (step.what == DmaStep::What::kCopy) {
    uapi::IommuIoasCopy copy{
        .size = sizeof(copy),
        .flags = flags,
        .dst_ioas_id = ioas_,
        .src_ioas_id = step.source_ioas,
        .length = step.length,
        .dst_iova = step.iova,
        .src_iova = step.source_iova,
    };
    return Request(fd_, uapi::kIommuIoasCopy, &copy);
  }
  uapi::IommuIoasMap map{
      .size = sizeof(map),
      .flags = flags,
      .ioas_id = ioas_,
      .reserved = 0,
      .user_va = step.va,
      .length = step.length,
      .iova = step.iova,
  };
  return Request(fd_, uapi::kIommuIoasMap, &map);
}

Result IoasMapper::Unmap(const DmaStep& step, uint64_t& unmapped) const {
  const bool all = step.what == DmaStep::What::kUnmapAll;
  uapi::IommuIoasUnmap unmap{
      .size = sizeof(unmap),
      .ioas_id = ioas_,
      .iova = all ? 0 : step.iova,
      .length = all ? UINT64_MAX : step.length,
  };
  const Result result = Request(fd_, uapi::kIommuIoasUnmap, &unmap);
  unmapped = result == 0 ? unmap.length : 0;
  return result;
}

}  // namespace dma_streams
