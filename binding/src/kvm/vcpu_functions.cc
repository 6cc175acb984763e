#include "kvm/vcpu_functions.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "kvm/registers.h"
#include "kvm/vcpu_thread.h"
#include "kvm/vm.h"
#include "uapi/kvm.h"
#include "util/arguments.h"

namespace dma_streams {

namespace {

// More than any processor has.
constexpr uint32_t kMostCpuidEntries = 256;

std::shared_ptr<VcpuHandle> VcpuArgument(Arguments& args, size_t index) {
  return args.Handle<VcpuHandle>(index, "a vCPU");
}

// 0 when calls of the kernel for the vCPU do not have to wait.
Result CanCall(const Vcpu* vcpu) {
  return vcpu == nullptr ? -EBADF : vcpu->IsRunning() ? -EBUSY : 0;
}
Result CanCall(const VcpuHandle& handle) {
  return CanCall(handle.vcpu().get());
}

// kvmVcpuCreate(vm, id, runSize): handle | -errno
Napi::Value Create(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuCreate");
  const uint32_t id = args.Uint32(1);
  const uint32_t run_size = args.Uint32(2);
  const auto vm = VmArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  std::shared_ptr<Vcpu> vcpu;
  const Result result = Vcpu::Create(vm->fd(), id, run_size, vcpu);
  return result < 0 ? Number(info.Env(), result)
                    : NewHandle(info.Env(), std::make_shared<VcpuHandle>(std::move(vcpu), vm));
}

// kvmVcpuRegisters(vcpu, to: BigUint64Array): 0 | -errno, and the registers in `to` (see registers.h)
Napi::Value GetRegisters(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuRegisters");
  const std::span<uint64_t> to = args.BigUints(1);
  const auto handle = VcpuArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const Result result = CanCall(*handle);
  return Number(info.Env(), result < 0 ? result : ReadRegisters(handle->vcpu()->fd(), to));
}

// kvmVcpuSetRegisters(vcpu, from: BigUint64Array): 0 | -errno
Napi::Value SetRegisters(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuSetRegisters");
  const std::span<const uint64_t> from = args.BigUints(1);
  const auto handle = VcpuArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const Result result = CanCall(*handle);
  return Number(info.Env(), result < 0 ? result : WriteRegisters(handle->vcpu()->fd(), from));
}

// kvmVcpuSpecialRegisters(vcpu, to: BigUint64Array): 0 | -errno, and the registers in `to`
Napi::Value GetSpecialRegisters(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuSpecialRegisters");
  const std::span<uint64_t> to = args.BigUints(1);
  const auto handle = VcpuArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const Result result = CanCall(*handle);
  return Number(info.Env(), result < 0 ? result : ReadSpecialRegisters(handle->vcpu()->fd(), to));
}

// kvmVcpuSetSpecialRegisters(vcpu, from: BigUint64Array): 0 | -errno
Napi::Value SetSpecialRegisters(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuSetSpecialRegisters");
  const std::span<const uint64_t> from = args.BigUints(1);
  const auto handle = VcpuArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const Result result = CanCall(*handle);
  return Number(info.Env(), result < 0 ? result : WriteSpecialRegisters(handle->vcpu()->fd(), from));
}

// kvmVcpuOfferHost(vcpu, kvm): 0 | -errno. CPUID of the guest says all that KVM can offer on this processor.
Napi::Value OfferHost(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuOfferHost");
  const auto handle = VcpuArgument(args, 0);
  const auto kvm = FileArgument<KvmKind>(args, 1);
  if (!args.ok()) {
    return args.Refused();
  }
  Result result = CanCall(*handle);
  if (result < 0) {
    return Number(info.Env(), result);
  }
  std::vector<uint8_t> table(sizeof(uapi::KvmCpuid2) + kMostCpuidEntries * sizeof(uapi::KvmCpuidEntry2));
  const uapi::KvmCpuid2 header{.nent = kMostCpuidEntries, .padding = 0};
  std::memcpy(table.data(), &header, sizeof(header));
  result = ::ioctl(kvm->fd(), uapi::kKvmGetSupportedCpuid, table.data()) < 0 ? LastError() : 0;
  if (result == 0) {
    result = ::ioctl(handle->vcpu()->fd(), uapi::kKvmSetCpuid2, table.data()) < 0 ? LastError() : 0;
  }
  return Number(info.Env(), result);
}

// kvmVcpuRun(vcpu, answer): a promise of the number of the exit, or -errno | -errno
Napi::Value Run(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuRun");
  const std::span<const uint8_t> answer = args.Bytes(1);
  const auto handle = VcpuArgument(args, 0);
  return args.ok() ? handle->Run(info.Env(), answer) : args.Refused();
}

// What an exit has besides its number, as numbers: its fields in `to`, its data in `data`.
//
// io: out, port, size, count, length of the data. mmio: write, address, 0, 0, length. Others: the lower and upper half
// of a code of the processor or KVM, 0, 0, 0.
constexpr size_t kExitFields = 5;

// kvmVcpuExit(vcpu, to: Float64Array, data: Uint8Array): 0 | -errno. Also when the vCPU was closed after the run had
// ended.
Napi::Value Exit(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuExit");
  const std::span<double> to = args.Doubles(1);
  const std::span<uint8_t> data = args.Bytes(2);
  const auto handle = VcpuArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const auto vcpu = handle->ended_vcpu();
  const Result result = CanCall(vcpu.get());
  if (result < 0 || to.size() < kExitFields) {
    return Number(info.Env(), result < 0 ? result : -EINVAL);
  }
  const uapi::KvmRun& last = vcpu->last();
  const std::span<const uint8_t> bytes = vcpu->Data();
  std::fill(to.begin(), to.end(), 0.0);
  switch (last.exit_reason) {
    case uapi::kKvmExitIo:
      to[0] = last.io.direction;
      to[1] = last.io.port;
      to[2] = last.io.size;
      to[3] = last.io.count;
      to[4] = static_cast<double>(bytes.size());
      break;
    case uapi::kKvmExitMmio:
      to[0] = last.mmio.is_write;
      to[1] = static_cast<double>(last.mmio.phys_addr);
      to[4] = static_cast<double>(bytes.size());
      break;
    case uapi::kKvmExitInternalError:
      to[0] = last.internal.suberror;
      break;
    default:
      to[0] = static_cast<double>(last.hardware_exit_reason & UINT32_MAX);
      to[1] = static_cast<double>(last.hardware_exit_reason >> 32);
  }
  std::copy_n(bytes.begin(), std::min(bytes.size(), data.size()), data.begin());
  return Number(info.Env(), 0);
}

// kvmVcpuInterrupt(vcpu): whether a run was going on: 1 or 0 | -EBADF
Napi::Value Interrupt(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuInterrupt");
  const auto handle = VcpuArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  return Number(info.Env(), handle->vcpu() == nullptr ? -EBADF : handle->vcpu()->Interrupt() ? 1 : 0);
}

// kvmVcpuClose(vcpu): 0, also when it is closed already
Napi::Value Close(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmVcpuClose");
  const auto handle = VcpuArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  handle->Close();
  return Number(info.Env(), 0);
}

}  // namespace

void ExportKvmVcpu(Napi::Env env, Napi::Object exports) {
  exports.Set("kvmVcpuCreate", Napi::Function::New<Create>(env, "kvmVcpuCreate"));
  exports.Set("kvmVcpuRegisters", Napi::Function::New<GetRegisters>(env, "kvmVcpuRegisters"));
  exports.Set("kvmVcpuSetRegisters", Napi::Function::New<SetRegisters>(env, "kvmVcpuSetRegisters"));
  exports.Set("kvmVcpuSpecialRegisters", Napi::Function::New<GetSpecialRegisters>(env, "kvmVcpuSpecialRegisters"));
  exports.Set("kvmVcpuSetSpecialRegisters",
              Napi::Function::New<SetSpecialRegisters>(env, "kvmVcpuSetSpecialRegisters"));
  exports.Set("kvmVcpuOfferHost", Napi::Function::New<OfferHost>(env, "kvmVcpuOfferHost"));
  exports.Set("kvmVcpuRun", Napi::Function::New<Run>(env, "kvmVcpuRun"));
  exports.Set("kvmVcpuExit", Napi::Function::New<Exit>(env, "kvmVcpuExit"));
  exports.Set("kvmVcpuInterrupt", Napi::Function::New<Interrupt>(env, "kvmVcpuInterrupt"));
  exports.Set("kvmVcpuClose", Napi::Function::New<Close>(env, "kvmVcpuClose"));
}

}  // namespace dma_streams
