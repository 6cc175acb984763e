#include "kvm/vcpu_thread.h"

#include <utility>

#include "util/job_thread.h"
#include "util/open_file.h"

namespace dma_streams {

// What the thread of a vCPU and the environment share. The thread-safe function has a share of it, which End releases.
struct VcpuHandle::Thread {
  std::shared_ptr<Vcpu> vcpu;
  pthread_t thread{};
  bool is_started = false;
  napi_threadsafe_function run_ended = nullptr;
  // Of the run that has not ended; null when there is none. On the thread of the environment.
  napi_deferred deferred = nullptr;
  // Of the thread: whether the environment has ended.
  bool is_released = false;
};

void* VcpuHandle::Work(void* data) {
  auto& thread = *static_cast<Thread*>(data);
  EnterJobThread();
  thread.vcpu->Serve([&thread](Result result) {
    // A call that fails has released the function for this thread already: the environment is ending.
    thread.is_released =
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the number itself is what is handed over.
        napi_call_threadsafe_function(thread.run_ended, reinterpret_cast<void*>(static_cast<intptr_t>(result)),
                                      napi_tsfn_nonblocking) != napi_ok;
    return !thread.is_released;
  });
  if (!thread.is_released) {
    napi_release_threadsafe_function(thread.run_ended, napi_tsfn_release);
  }
  return nullptr;
}

// Called on the thread of the environment; `env` is null when that is ending.
void VcpuHandle::OnRunEnded(napi_env env, napi_value /* unused */, void* context, void* result) {
  if (env == nullptr) {
    return;
  }
  auto& thread = **static_cast<std::shared_ptr<Thread>*>(context);
  napi_deferred deferred = std::exchange(thread.deferred, nullptr);
  napi_unref_threadsafe_function(env, thread.run_ended);
  napi_value number = nullptr;
  if (napi_create_double(env, static_cast<double>(reinterpret_cast<intptr_t>(result)), &number) == napi_ok) {
    napi_resolve_deferred(env, deferred, number);
  }
}

// Called on the thread of the environment, last: when the thread has released the function, or when the environment
// ends.
void VcpuHandle::End(napi_env /* env */, void* data, void* /* hint */) {
  const std::unique_ptr<std::shared_ptr<Thread>> share(static_cast<std::shared_ptr<Thread>*>(data));
  Thread& thread = **share;
  if (thread.is_started) {
    thread.vcpu->Close();
    ::pthread_join(thread.thread, nullptr);
  }
  thread.vcpu.reset();
}

Result VcpuHandle::Start(Napi::Env env) {
  auto thread = std::make_shared<Thread>();
  thread->vcpu = vcpu_;
  auto* share = new std::shared_ptr<Thread>(thread);
  if (napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "dma-streams vCPU"), 0, 1, share,
                                      End, share, OnRunEnded, &thread->run_ended) != napi_ok) {
    delete share;
    return -EAGAIN;
  }
  const Result result = StartJobThread(thread->thread, Work, thread.get());
  if (result < 0) {
    napi_release_threadsafe_function(thread->run_ended, napi_tsfn_abort);
    return result;
  }
  thread->is_started = true;
  // It keeps the process alive only while the vCPU runs.
  napi_unref_threadsafe_function(env, thread->run_ended);
  thread_ = std::move(thread);
  return 0;
}

Napi::Value VcpuHandle::Run(Napi::Env env, std::span<const uint8_t> answer) {
  if (vcpu_ == nullptr) {
    return Number(env, -EBADF);
  }
  if (thread_ == nullptr) {
    const Result result = Start(env);
    if (result < 0) {
      return Number(env, result);
    }
  }
  // The promise of the last run is settled a little after the run has ended.
  if (thread_->deferred != nullptr) {
    return Number(env, -EBUSY);
  }
  napi_value promise = nullptr;
  if (napi_create_promise(env, &thread_->deferred, &promise) != napi_ok) {
    return Number(env, -EAGAIN);
  }
  const Result result = vcpu_->Begin(answer);
  if (result < 0) {
    napi_resolve_deferred(env, std::exchange(thread_->deferred, nullptr), env.Undefined());
    return Number(env, result);
  }
  napi_ref_threadsafe_function(env, thread_->run_ended);
  return {env, promise};
}

// A run that has not ended is interrupted; its promise is resolved. Then the thread ends, and the descriptor is closed.
void VcpuHandle::Close() {
  if (vcpu_ != nullptr) {
    vcpu_->Close();
    closed_ = vcpu_;
    vcpu_.reset();
    thread_.reset();
  }
}

}  // namespace dma_streams
