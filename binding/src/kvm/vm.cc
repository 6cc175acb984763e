#include "kvm/vm.h"

#include <sys/ioctl.h>

#include <cstdint>
#include <memory>

#include "uapi/kvm.h"
#include "util/arguments.h"

namespace dma_streams {

namespace {

// Whether the descriptor is one of a VM. /dev/kvm takes the first request, too, but no VM takes the second one.
bool IsVm(int fd) {
  return ::ioctl(fd, uapi::kKvmCheckExtension, uapi::kKvmCapNrMemslots) > 0 &&
         ::ioctl(fd, uapi::kKvmGetApiVersion, 0) < 0;
}

// kvmVmFrom(fd): handle of a duplicate | -errno; -ENOTTY when it is not the descriptor of a VM
Napi::Value From(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVmFrom");
  const int32_t fd = args.Int32(0);
  if (!args.ok()) {
    return args.Refused();
  }
  std::shared_ptr<FileDescriptor> copy;
  const Result result = FileDescriptor::Duplicate(fd, copy);
  if (result < 0 || !IsVm(copy->get())) {
    return Number(info.Env(), result < 0 ? result : -ENOTTY);
  }
  return NewHandle(info.Env(), std::make_shared<KvmVmFile>(std::move(copy)));
}

// kvmVmCheckExtension(vm, extension): what KVM_CHECK_EXTENSION answers for this VM | -errno
Napi::Value CheckExtension(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVmCheckExtension");
  const uint32_t extension = args.Uint32(1);
  const auto vm = VmArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const int answer = ::ioctl(vm->fd(), uapi::kKvmCheckExtension, static_cast<unsigned long>(extension));
  return Number(info.Env(), answer < 0 ? LastError() : answer);
}

// kvmVmCreateIrqchip(vm): 0 | -errno
Napi::Value CreateIrqchip(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVmCreateIrqchip");
  const auto vm = VmArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), ::ioctl(vm->fd(), uapi::kKvmCreateIrqchip, 0) < 0 ? LastError() : 0);
}

// kvmVmIrqfd(vm, fd, gsi, assign): 0 | -errno
Napi::Value Irqfd(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVmIrqfd");
  const int32_t fd = args.Int32(1);
  const uint32_t gsi = args.Uint32(2);
  const bool assign = args.Boolean(3);
  const auto vm = VmArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const uapi::KvmIrqfd irqfd{
      .fd = static_cast<uint32_t>(fd),
      .gsi = gsi,
      .flags = assign ? 0 : uapi::kKvmIrqfdDeassign,
      .resample_fd = 0,
      .pad = {},
  };
  return Number(info.Env(), ::ioctl(vm->fd(), uapi::kKvmIrqfd, &irqfd) < 0 ? LastError() : 0);
}

// kvmVmIoeventfd(vm, address, length, fd, isPort, hasMatch, match, assign): 0 | -errno. `hasMatch`: only for writes of
// the value `match`.
Napi::Value Ioeventfd(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVmIoeventfd");
  const uint64_t address = args.BigUint(1);
  const uint32_t length = args.Uint32(2);
  const int32_t fd = args.Int32(3);
  const bool is_port = args.Boolean(4);
  const bool has_match = args.Boolean(5);
  const uint64_t match = args.BigUint(6);
  const bool assign = args.Boolean(7);
  const auto vm = VmArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const uapi::KvmIoeventfd ioeventfd{
      .datamatch = match,
      .addr = address,
      .len = length,
      .fd = fd,
      .flags = (is_port ? uapi::kKvmIoeventfdPio : 0) | (has_match ? uapi::kKvmIoeventfdDatamatch : 0) |
               (assign ? 0 : uapi::kKvmIoeventfdDeassign),
      .pad = {},
  };
  return Number(info.Env(), ::ioctl(vm->fd(), uapi::kKvmIoeventfd, &ioeventfd) < 0 ? LastError() : 0);
}

// kvmVmClose(vm): 0, also when it is closed already
Napi::Value Close(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVmClose");
  const auto vm = VmArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  vm->Close();
  return Number(info.Env(), 0);
}

}  // namespace

void ExportKvmVm(Napi::Env env, Napi::Object exports) {
  exports.Set("kvmVmFrom", Napi::Function::New<From>(env, "kvmVmFrom"));
  exports.Set("kvmVmCheckExtension", Napi::Function::New<CheckExtension>(env, "kvmVmCheckExtension"));
  exports.Set("kvmVmCreateIrqchip", Napi::Function::New<CreateIrqchip>(env, "kvmVmCreateIrqchip"));
  exports.Set("kvmVmIrqfd", Napi::Function::New<Irqfd>(env, "kvmVmIrqfd"));
  exports.Set("kvmVmIoeventfd", Napi::Function::New<Ioeventfd>(env, "kvmVmIoeventfd"));
  exports.Set("kvmVmClose", Napi::Function::New<Close>(env, "kvmVmClose"));
}

}  // namespace dma_streams
