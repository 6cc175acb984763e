#include "iommu/iommufd.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "uapi/iommufd.h"
#include "util/open_file.h"
#include "util/typed_array.h"

namespace dma_streams {

namespace {

// iommufdOpen(): handle | -errno
Napi::Value Open(const Napi::CallbackInfo& info) {
  return NewFile<IommufdKind>(info.Env(), ::open("/dev/iommu", O_RDWR | O_CLOEXEC));
}

// iommufdAllocateIoas(iommufd): id | -errno
Napi::Value AllocateIoas(const Napi::CallbackInfo& info) {
  Arguments args(info, "iommufdAllocateIoas");
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  uapi::IommuIoasAlloc allocate{.size = sizeof(allocate), .flags = 0, .out_ioas_id = 0};
  const int result = ::ioctl(iommufd->fd(), uapi::kIommuIoasAlloc, &allocate);
  return Number(info.Env(), result < 0 ? LastError() : static_cast<int64_t>(allocate.out_ioas_id));
}

// iommufdDestroy(iommufd, id): 0 | -errno
Napi::Value Destroy(const Napi::CallbackInfo& info) {
  Arguments args(info, "iommufdDestroy");
  const uint32_t id = args.Uint32(1);
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  uapi::IommuDestroy destroy{.size = sizeof(destroy), .id = id};
  return Number(info.Env(), ::ioctl(iommufd->fd(), uapi::kIommuDestroy, &destroy) < 0 ? LastError() : 0);
}

// iommufdIovaRanges(iommufd, id): a BigUint64Array of starts and lasts | -errno
Napi::Value IovaRanges(const Napi::CallbackInfo& info) {
  Arguments args(info, "iommufdIovaRanges");
  const uint32_t id = args.Uint32(1);
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  std::vector<uapi::IommuIovaRange> ranges(8);
  for (;;) {
    uapi::IommuIoasIovaRanges query{};
    query.size = sizeof(query);
    query.ioas_id = id;
    query.num_iovas = static_cast<uint32_t>(ranges.size());
    query.allowed_iovas = reinterpret_cast<uintptr_t>(ranges.data());
    const Result result = ::ioctl(iommufd->fd(), uapi::kIommuIoasIovaRanges, &query) < 0 ? LastError() : 0;
    if (result == -EMSGSIZE && query.num_iovas > ranges.size()) {
      ranges.resize(query.num_iovas);
      continue;
    }
    if (result < 0) {
      return Number(info.Env(), result);
    }
    const size_t count = std::min<size_t>(query.num_iovas, ranges.size());
    std::vector<uint64_t> ends(count * 2);
    std::memcpy(ends.data(), ranges.data(), count * sizeof(ranges[0]));
    return NewTypedArray<uint64_t>(info.Env(), ends);
  }
}

// iommufdProbeMapFile(iommufd): -ENOTTY when the kernel does not know IOMMU_IOAS_MAP_FILE; any other number when it
// does
Napi::Value ProbeMapFile(const Napi::CallbackInfo& info) {
  Arguments args(info, "iommufdProbeMapFile");
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  // Of no file, in no IOAS: it cannot succeed.
  uapi::IommuIoasMapFile map{};
  map.size = sizeof(map);
  map.fd = -1;
  return Number(info.Env(), ::ioctl(iommufd->fd(), uapi::kIommuIoasMapFile, &map) < 0 ? LastError() : 0);
}

}  // namespace

void ExportIommufd(Napi::Env env, Napi::Object exports) {
  exports.Set("iommufdOpen", Napi::Function::New<Open>(env, "iommufdOpen"));
  exports.Set("iommufdAllocateIoas", Napi::Function::New<AllocateIoas>(env, "iommufdAllocateIoas"));
  exports.Set("iommufdDestroy", Napi::Function::New<Destroy>(env, "iommufdDestroy"));
  exports.Set("iommufdIovaRanges", Napi::Function::New<IovaRanges>(env, "iommufdIovaRanges"));
  exports.Set("iommufdProbeMapFile", Napi::Function::New<ProbeMapFile>(env, "iommufdProbeMapFile"));
  exports.Set("iommufdClose", Napi::Function::New<CloseFile<IommufdKind>>(env, "iommufdClose"));
}

}  // namespace dma_streams
