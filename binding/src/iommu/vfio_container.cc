#include "iommu/vfio_container.h"

#include <fcntl.h>

#include <cstring>
#include <vector>

#include "uapi/vfio.h"
#include "util/open_file.h"
#include "util/typed_array.h"

namespace dma_streams {

namespace {

// vfioContainerOpen(): handle | -errno
Napi::Value Open(const Napi::CallbackInfo& info) {
  return NewFile<ContainerKind>(info.Env(), ::open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));
}

// vfioContainerSupports(container, extension): 1, 0, or -errno; -EPROTO for a version of the interface that is not
// known here
Napi::Value Supports(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioContainerSupports");
  const auto container = FileArgument<ContainerKind>(args, 0);
  const int extension = args.Int32(1);
  if (!args.ok()) {
    return args.Refused();
  }
  const int version = ::ioctl(container->fd(), uapi::kVfioGetApiVersion);
  if (version < 0) {
    return Number(info.Env(), LastError());
  }
  if (version != uapi::kVfioApiVersion) {
    return Number(info.Env(), -EPROTO);
  }
  const int supported = ::ioctl(container->fd(), uapi::kVfioCheckExtension, extension);
  return Number(info.Env(), supported < 0 ? LastError() : supported);
}

// vfioContainerSetIommu(container, type): 0 | -errno
Napi::Value SetIommu(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioContainerSetIommu");
  const auto container = FileArgument<ContainerKind>(args, 0);
  const int type = args.Int32(1);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), ::ioctl(container->fd(), uapi::kVfioSetIommu, type) < 0 ? LastError() : 0);
}

// A structure of the kernel inside `bytes`, at `offset`; false when it would reach beyond the end.
template <typename Structure>
bool ReadAt(const std::vector<char>& bytes, size_t offset, Structure& structure) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(Structure)) {
    return false;
  }
  std::memcpy(&structure, bytes.data() + offset, sizeof(Structure));
  return true;
}

Result GetInfo(int fd, std::vector<char>& bytes) {
  bytes.assign(sizeof(uapi::VfioIommuType1Info), 0);
  for (;;) {
    auto* head = reinterpret_cast<uapi::VfioIommuType1Info*>(bytes.data());
    const auto room = static_cast<uint32_t>(bytes.size());
    head->argsz = room;
    if (::ioctl(fd, uapi::kVfioIommuGetInfo, head) < 0) {
      return LastError();
    }
    // The kernel says how much room it wants, and fills the list of capabilities only when it has it.
    if (head->argsz <= room) {
      return 0;
    }
    bytes.assign(head->argsz, 0);
  }
}

Napi::Value IovaRanges(Napi::Env env, const std::vector<char>& bytes, size_t offset, uint32_t count) {
  std::vector<uint64_t> ends;
  uapi::VfioIovaRange range{};
  for (uint32_t index = 0; index < count && ReadAt(bytes, offset + index * sizeof(range), range); ++index) {
    ends.push_back(range.start);
    ends.push_back(range.end);
  }
  return NewTypedArray<uint64_t>(env, ends);
}

// vfioContainerInfo(container): { pageSizes, iovaRanges?, dmaEntriesAvailable? } | -errno
Napi::Value Info(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioContainerInfo");
  const auto container = FileArgument<ContainerKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  std::vector<char> bytes;
  const Result got = GetInfo(container->fd(), bytes);
  if (got < 0) {
    return Number(info.Env(), got);
  }
  uapi::VfioIommuType1Info head{};
  ReadAt(bytes, 0, head);
  Napi::Object result = Napi::Object::New(info.Env());
  const bool sizes = (head.flags & uapi::kVfioIommuInfoPgsizes) != 0;
  result.Set("pageSizes", Napi::BigInt::New(info.Env(), sizes ? head.iova_pgsizes : kPageSize));
  uint32_t next = (head.flags & uapi::kVfioIommuInfoCaps) != 0 ? head.cap_offset : 0;
  uapi::VfioInfoCapHeader capability{};
  // The offsets ascend, so that a list which bites its own tail ends too.
  for (uint32_t at = next; at != 0 && ReadAt(bytes, at, capability); at = next) {
    next = capability.next > at ? capability.next : 0;
    uapi::VfioCapIovaRange ranges{};
    uapi::VfioCapDmaAvail available{};
    if (capability.id == uapi::kVfioCapIovaRange && ReadAt(bytes, at, ranges)) {
      result.Set("iovaRanges", IovaRanges(info.Env(), bytes, at + sizeof(ranges), ranges.nr_iovas));
    } else if (capability.id == uapi::kVfioCapDmaAvail && ReadAt(bytes, at, available)) {
      result.Set("dmaEntriesAvailable", Napi::Number::New(info.Env(), available.avail));
    }
  }
  return result;
}

}  // namespace

void ExportVfioContainer(Napi::Env env, Napi::Object exports) {
  exports.Set("vfioContainerOpen", Napi::Function::New<Open>(env, "vfioContainerOpen"));
  exports.Set("vfioContainerSupports", Napi::Function::New<Supports>(env, "vfioContainerSupports"));
  exports.Set("vfioContainerSetIommu", Napi::Function::New<SetIommu>(env, "vfioContainerSetIommu"));
  exports.Set("vfioContainerInfo", Napi::Function::New<Info>(env, "vfioContainerInfo"));
  exports.Set("vfioContainerClose", Napi::Function::New<CloseFile<ContainerKind>>(env, "vfioContainerClose"));
}

}  // namespace dma_streams
