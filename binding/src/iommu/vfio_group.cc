#include "iommu/vfio_group.h"

#include <fcntl.h>

#include <string>

#include "uapi/vfio.h"
#include "util/open_file.h"

namespace dma_streams {

namespace {

// vfioGroupOpen(number): handle | -errno
Napi::Value Open(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioGroupOpen");
  const std::string path = "/dev/vfio/" + std::to_string(args.Integer(0));
  if (!args.ok()) {
    return args.Refused();
  }
  return NewFile<GroupKind>(info.Env(), ::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

// vfioGroupStatus(group): flags | -errno
Napi::Value Status(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioGroupStatus");
  const auto group = FileArgument<GroupKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  uapi::VfioGroupStatus status{.argsz = sizeof(status), .flags = 0};
  const int result = ::ioctl(group->fd(), uapi::kVfioGroupGetStatus, &status);
  return Number(info.Env(), result < 0 ? LastError() : static_cast<int64_t>(status.flags));
}

// vfioGroupSetContainer(group, container): 0 | -errno
Napi::Value SetContainer(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioGroupSetContainer");
  const auto group = FileArgument<GroupKind>(args, 0);
  const auto container = FileArgument<ContainerKind>(args, 1);
  if (!args.ok()) {
    return args.Refused();
  }
  int fd = container->fd();
  return Number(info.Env(), ::ioctl(group->fd(), uapi::kVfioGroupSetContainer, &fd) < 0 ? LastError() : 0);
}

// vfioGroupUnsetContainer(group): 0 | -errno
Napi::Value UnsetContainer(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioGroupUnsetContainer");
  const auto group = FileArgument<GroupKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), ::ioctl(group->fd(), uapi::kVfioGroupUnsetContainer) < 0 ? LastError() : 0);
}

// vfioGroupOpenDevice(group, name): a device's handle | -errno
Napi::Value OpenDevice(const Napi::CallbackInfo& info) {
  Arguments args(info, "vfioGroupOpenDevice");
  const auto group = FileArgument<GroupKind>(args, 0);
  const std::string name = args.String(1);
  if (!args.ok()) {
    return args.Refused();
  }
  // The kernel opens it so that it is closed on exec.
  return NewFile<DeviceKind>(info.Env(), ::ioctl(group->fd(), uapi::kVfioGroupGetDeviceFd, name.c_str()));
}

}  // namespace

void ExportVfioGroup(Napi::Env env, Napi::Object exports) {
  exports.Set("vfioGroupOpen", Napi::Function::New<Open>(env, "vfioGroupOpen"));
  exports.Set("vfioGroupStatus", Napi::Function::New<Status>(env, "vfioGroupStatus"));
  exports.Set("vfioGroupSetContainer", Napi::Function::New<SetContainer>(env, "vfioGroupSetContainer"));
  exports.Set("vfioGroupUnsetContainer", Napi::Function::New<UnsetContainer>(env, "vfioGroupUnsetContainer"));
  exports.Set("vfioGroupOpenDevice", Napi::Function::New<OpenDevice>(env, "vfioGroupOpenDevice"));
  exports.Set("vfioGroupClose", Napi::Function::New<CloseFile<GroupKind>>(env, "vfioGroupClose"));
}

}  // namespace dma_streams
