#include "uapi/kvm.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "kvm/vm.h"
#include "util/arguments.h"

namespace dma_streams {

namespace {

// No processor has fewer physical address bits, and none has more.
constexpr unsigned int kLeastBits = 32;
constexpr unsigned int kMostBits = 52;

// kvmOpen(): handle | -errno; -EPROTO for an unknown version of the interface
Napi::Value Open(const Napi::CallbackInfo& info) {
  const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    return Number(info.Env(), LastError());
  }
  auto kvm = std::make_shared<OpenFile<KvmKind>>(fd);
  if (::ioctl(fd, uapi::kKvmGetApiVersion, 0) != static_cast<int>(uapi::kKvmApiVersion)) {
    return Number(info.Env(), -EPROTO);
  }
  return NewHandle(info.Env(), std::move(kvm));
}

// kvmCheckExtension(kvm, extension): what KVM_CHECK_EXTENSION answers | -errno
Napi::Value CheckExtension(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmCheckExtension");
  const uint32_t extension = args.Uint32(1);
  const auto kvm = FileArgument<KvmKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const int answer = ::ioctl(kvm->fd(), uapi::kKvmCheckExtension, static_cast<unsigned long>(extension));
  return Number(info.Env(), answer < 0 ? LastError() : answer);
}

// kvmCreateVm(kvm): handle | -errno
Napi::Value CreateVm(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmCreateVm");
  const auto kvm = FileArgument<KvmKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const int fd = ::ioctl(kvm->fd(), uapi::kKvmCreateVm, 0);
  return fd < 0 ? Number(info.Env(), LastError()) : NewHandle(info.Env(), std::make_shared<KvmVmFile>(fd));
}

// Whether a VM takes a page at this address. What is behind it does not count: KVM looks at that when a CPU runs.
bool TakesPageAt(int vm, uint64_t gpa, uint64_t va) {
  uapi::KvmUserspaceMemoryRegion region{
      .slot = 0, .flags = 0, .guest_phys_addr = gpa, .memory_size = kPageSize, .userspace_addr = va};
  if (::ioctl(vm, uapi::kKvmSetUserMemoryRegion, &region) < 0) {
    return false;
  }
  region.memory_size = 0;
  ::ioctl(vm, uapi::kKvmSetUserMemoryRegion, &region);
  return true;
}

// kvmAddressBits(kvm): how many bits of a guest physical address a slot can have | -errno. No interface tells it: it
// depends on the processor, and on how KVM translates. So it is tried, with a VM of its own.
Napi::Value AddressBits(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmAddressBits");
  const auto kvm = FileArgument<KvmKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const int vm = ::ioctl(kvm->fd(), uapi::kKvmCreateVm, 0);
  if (vm < 0) {
    return Number(info.Env(), LastError());
  }
  unsigned int bits = kMostBits;
  while (bits > kLeastBits && !TakesPageAt(vm, uint64_t{1} << (bits - 1), kPageSize)) {
    --bits;
  }
  ::close(vm);
  return Number(info.Env(), bits);
}

// kvmRunSize(kvm): how many bytes of a vCPU's descriptor are to be mapped | -errno
Napi::Value RunSize(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmRunSize");
  const auto kvm = FileArgument<KvmKind>(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const int size = ::ioctl(kvm->fd(), uapi::kKvmGetVcpuMmapSize, 0);
  return Number(info.Env(), size < 0 ? LastError() : size);
}

}  // namespace

void ExportKvm(Napi::Env env, Napi::Object exports) {
  exports.Set("kvmOpen", Napi::Function::New<Open>(env, "kvmOpen"));
  exports.Set("kvmCheckExtension", Napi::Function::New<CheckExtension>(env, "kvmCheckExtension"));
  exports.Set("kvmCreateVm", Napi::Function::New<CreateVm>(env, "kvmCreateVm"));
  exports.Set("kvmAddressBits", Napi::Function::New<AddressBits>(env, "kvmAddressBits"));
  exports.Set("kvmRunSize", Napi::Function::New<RunSize>(env, "kvmRunSize"));
  exports.Set("kvmClose", Napi::Function::New<CloseFile<KvmKind>>(env, "kvmClose"));
}

}  // namespace dma_streams
