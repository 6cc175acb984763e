#pragma once

#include <napi.h>

#include <memory>

#include "kvm/vcpu.h"

namespace dma_streams {

// The thread of a vCPU, and the promises of its runs. The vCPU outlives the handle only until its thread has ended, and
// the thread never outlives the environment: its end interrupts the run, and waits for the thread.
class VcpuHandle {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a62000aULL};

  // `vm`: kept, because its memory slots end with it.
  VcpuHandle(std::shared_ptr<Vcpu> vcpu, std::shared_ptr<const void> vm) : vcpu_(std::move(vcpu)), vm_(std::move(vm)) {}
  VcpuHandle(const VcpuHandle&) = delete;
  VcpuHandle& operator=(const VcpuHandle&) = delete;
  ~VcpuHandle() {
    Close();
  }

  // Null once closed.
  const std::shared_ptr<Vcpu>& vcpu() const {
    return vcpu_;
  }
  // Also once closed, until its thread has ended: for the exit of a run that had ended before. Null after that.
  std::shared_ptr<const Vcpu> ended_vcpu() const {
    return vcpu_ != nullptr ? vcpu_ : closed_.lock();
  }
  // A promise of what Vcpu::Serve says of the run | -errno
  Napi::Value Run(Napi::Env env, std::span<const uint8_t> answer);
  void Close();

 private:
  struct Thread;

  static void* Work(void* data);
  static void OnRunEnded(napi_env env, napi_value unused, void* context, void* result);
  static void End(napi_env env, void* data, void* hint);
  Result Start(Napi::Env env);

  std::shared_ptr<Vcpu> vcpu_;
  std::weak_ptr<const Vcpu> closed_;
  const std::shared_ptr<const void> vm_;
  // Owned by its thread-safe function; null when there is none, or no longer.
  std::shared_ptr<Thread> thread_;
};

}  // namespace dma_streams
