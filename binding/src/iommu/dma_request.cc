#include "iommu/dma_request.h"

#include "uapi/iommufd.h"
#include "uapi/vfio.h"

namespace dma_streams {

namespace {

// An interrupted map or unmap has changed nothing, and is repeated.
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

Result DmaMapper::Run(DmaRequest& request) const {
  if (request.refused != 0) {
    return request.refused;
  }
  return Unmaps(request) ? Unmap(request, request.length) : Map(request);
}

Result ContainerMapper::Map(const DmaRequest& request) const {
  if (request.kind != RowKind::kMapVa) {
    return -EOPNOTSUPP;
  }
  uapi::VfioDmaMap map{
      .argsz = sizeof(map),
      .flags = uapi::kVfioDmaMapRead | (request.writable ? uapi::kVfioDmaMapWrite : 0),
      .vaddr = request.va,
      .iova = request.iova,
      .size = request.length,
  };
  return Request(fd_, uapi::kVfioIommuMapDma, &map);
}

Result ContainerMapper::Unmap(const DmaRequest& request, uint64_t& unmapped) const {
  const bool all = request.kind == RowKind::kUnmapAll;
  uapi::VfioDmaUnmap unmap{
      .argsz = sizeof(unmap),
      .flags = all ? uapi::kVfioDmaUnmapAll : 0,
      .iova = all ? 0 : request.iova,
      .size = all ? 0 : request.length,
  };
  const Result result = Request(fd_, uapi::kVfioIommuUnmapDma, &unmap);
  unmapped = result == 0 ? unmap.size : 0;
  return result;
}

Result IoasMapper::Map(const DmaRequest& request) const {
  const uint32_t flags =
      uapi::kIommuMapFixedIova | uapi::kIommuMapReadable | (request.writable ? uapi::kIommuMapWriteable : 0);
  if (request.kind == RowKind::kMapFile) {
    uapi::IommuIoasMapFile map{
        .size = sizeof(map),
        .flags = flags,
        .ioas_id = ioas_,
        .fd = request.fd,
        .start = request.file_offset,
        .length = request.length,
        .iova = request.iova,
    };
    return Request(fd_, uapi::kIommuIoasMapFile, &map);
  }
  if (request.kind == RowKind::kCopy) {
    uapi::IommuIoasCopy copy{
        .size = sizeof(copy),
        .flags = flags,
        .dst_ioas_id = ioas_,
        .src_ioas_id = request.source_ioas,
        .length = request.length,
        .dst_iova = request.iova,
        .src_iova = request.source_iova,
    };
    return Request(fd_, uapi::kIommuIoasCopy, &copy);
  }
  uapi::IommuIoasMap map{
      .size = sizeof(map),
      .flags = flags,
      .ioas_id = ioas_,
      .reserved = 0,
      .user_va = request.va,
      .length = request.length,
      .iova = request.iova,
  };
  return Request(fd_, uapi::kIommuIoasMap, &map);
}

Result IoasMapper::Unmap(const DmaRequest& request, uint64_t& unmapped) const {
  const bool all = request.kind == RowKind::kUnmapAll;
  uapi::IommuIoasUnmap unmap{
      .size = sizeof(unmap),
      .ioas_id = ioas_,
      .iova = all ? 0 : request.iova,
      .length = all ? UINT64_MAX : request.length,
  };
  const Result result = Request(fd_, uapi::kIommuIoasUnmap, &unmap);
  unmapped = result == 0 ? unmap.length : 0;
  return result;
}

}  // namespace dma_streams
