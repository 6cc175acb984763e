#include "iommu/vfio_device.h"

#include <fcntl.h>

#include <string>

#include "memory/safe_copy.h"
#include "uapi/vfio.h"
#include "util/open_file.h"

namespace dma_streams {

namespace {

// vfioDeviceOpen(number): handle | -errno
Napi::Value Open(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioDeviceOpen");
  const std::string path = "/dev/vfio/devices/vfio" + std::to_string(args.Integer(0));
  if (!args.ok()) {
    return args.Refused();
  }
  return NewFile<DeviceKind>(info.Env(), ::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

// vfioDeviceBindIommufd(device, iommufd): 0 | -errno
Napi::Value BindIommufd(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioDeviceBindIommufd");
  const auto device = FileArgument<DeviceKind>(args, 0);
  const auto iommufd = FileArgument<IommufdKind>(args, 1);
  if (!args.ok()) {
    return args.Refused();
  }
  uapi::VfioDeviceBindIommufd bind{.argsz = sizeof(bind), .flags = 0, .iommufd = iommufd->fd(), .out_devid = 0};
  return Number(info.Env(), ::ioctl(device->fd(), uapi::kVfioDeviceBindIommufd, &bind) < 0 ? LastError() : 0);
}

// vfioDeviceAttach(device, ioas): 0 | -errno
Napi::Value Attach(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioDeviceAttach");
  const uint32_t ioas = args.Uint32(1);
  const auto device = FileArgument<DeviceKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  uapi::VfioDeviceAttachIommufdPt attach{.argsz = sizeof(attach), .flags = 0, .pt_id = ioas};
  return Number(info.Env(), ::ioctl(device->fd(), uapi::kVfioDeviceAttachIommufdPt, &attach) < 0 ? LastError() : 0);
}

// vfioDeviceDetach(device): 0 | -errno
Napi::Value Detach(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioDeviceDetach");
  const auto device = FileArgument<DeviceKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  uapi::VfioDeviceDetachIommufdPt detach{.argsz = sizeof(detach), .flags = 0};
  return Number(info.Env(), ::ioctl(device->fd(), uapi::kVfioDeviceDetachIommufdPt, &detach) < 0 ? LastError() : 0);
}

// vfioDeviceRegion(device, index): { size, offset, flags } | -errno
Napi::Value Region(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioDeviceRegion");
  const auto device = FileArgument<DeviceKind>(args, 0);
  const uint64_t index = args.Integer(1);
  if (!args.ok()) {
    return args.Refused();
  }
  if (index > UINT32_MAX) {
    return Number(info.Env(), -EINVAL);
  }
  uapi::VfioRegionInfo region{};
  region.argsz = sizeof(region);
  region.index = static_cast<uint32_t>(index);
  if (::ioctl(device->fd(), uapi::kVfioDeviceGetRegionInfo, &region) < 0) {
    return Number(info.Env(), LastError());
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("size", Napi::BigInt::New(info.Env(), region.size));
  result.Set("offset", Napi::BigInt::New(info.Env(), region.offset));
  result.Set("flags", Napi::Number::New(info.Env(), region.flags));
  return result;
}

// vfioDeviceRead(device, offset, to): 0 | -errno
Napi::Value Read(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioDeviceRead");
  const auto device = FileArgument<DeviceKind>(args, 0);
  const uint64_t offset = args.BigUint(1);
  const auto to = args.Bytes(2);
  if (!args.ok()) {
    return args.Refused();
  }
  size_t done = 0;
  return Number(info.Env(), CopyFromDevice(device->fd(), offset, to.data(), to.size(), done));
}

// vfioDeviceWrite(device, offset, from): 0 | -errno
Napi::Value Write(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioDeviceWrite");
  const auto device = FileArgument<DeviceKind>(args, 0);
  const uint64_t offset = args.BigUint(1);
  const auto from = args.Bytes(2);
  if (!args.ok()) {
    return args.Refused();
  }
  size_t done = 0;
  return Number(info.Env(), CopyToDevice(device->fd(), offset, from.data(), from.size(), done));
}

// vfioDeviceReset(device): 0 | -errno
Napi::Value Reset(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioDeviceReset");
  const auto device = FileArgument<DeviceKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), ::ioctl(device->fd(), uapi::kVfioDeviceReset) < 0 ? LastError() : 0);
}

}  // namespace

void ExportVfioDevice(Napi::Env env, Napi::Object exports) {
  exports.Set("vfioDeviceOpen", Napi::Function::New<Open>(env, "vfioDeviceOpen"));
  exports.Set("vfioDeviceBindIommufd", Napi::Function::New<BindIommufd>(env, "vfioDeviceBindIommufd"));
  exports.Set("vfioDeviceAttach", Napi::Function::New<Attach>(env, "vfioDeviceAttach"));
  exports.Set("vfioDeviceDetach", Napi::Function::New<Detach>(env, "vfioDeviceDetach"));
  exports.Set("vfioDeviceRegion", Napi::Function::New<Region>(env, "vfioDeviceRegion"));
  exports.Set("vfioDeviceRead", Napi::Function::New<Read>(env, "vfioDeviceRead"));
  exports.Set("vfioDeviceWrite", Napi::Function::New<Write>(env, "vfioDeviceWrite"));
  exports.Set("vfioDeviceReset", Napi::Function::New<Reset>(env, "vfioDeviceReset"));
  exports.Set("vfioDeviceFd", Napi::Function::New<FileNumber<DeviceKind>>(env, "vfioDeviceFd"));
  exports.Set("vfioDeviceClose", Napi::Function::New<CloseFile<DeviceKind>>(env, "vfioDeviceClose"));
}

}  // namespace dma_streams
