#include "iommu/dma_job.h"

#include <span>

#include "util/job_thread.h"
#include "util/open_file.h"

namespace dma_streams {

namespace {

// The memory of a typed array as it is now: empty when its buffer was detached.
template <typename Item>
std::span<Item> Items(napi_env env, napi_ref reference) {
  napi_value array = nullptr;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_reference_value(env, reference, &array) != napi_ok || array == nullptr ||
      napi_get_typedarray_info(env, array, nullptr, &length, &data, nullptr, nullptr) != napi_ok || data == nullptr) {
    return {};
  }
  return {static_cast<Item*>(data), length};
}

}  // namespace

Napi::Value DmaJob::Start(Napi::Env env, std::unique_ptr<DmaMapper> mapper, DmaBatch batch, bool stop_at_failure,
                          Napi::Value rows, Napi::Value results) {
  auto job = std::unique_ptr<DmaJob>(new DmaJob(std::move(mapper), std::move(batch), stop_at_failure));
  napi_value promise = nullptr;
  const Napi::String name = Napi::String::New(env, "dma-streams batch");
  // The promise last: one that is never settled would be kept for good.
  if (napi_create_reference(env, rows, 1, &job->rows_) != napi_ok ||
      napi_create_reference(env, results, 1, &job->results_) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, job.get(), End, job.get(), Complete,
                                      &job->completion_) != napi_ok) {
    if (!env.IsExceptionPending()) {
      Napi::Error::New(env, "could not prepare a job for another thread").ThrowAsJavaScriptException();
    }
    return env.Undefined();
  }
  DmaJob& running = *job.release();  // NOLINT(bugprone-unused-return-value): End takes it over
  if (napi_create_promise(env, &running.deferred_, &promise) != napi_ok) {
    napi_release_threadsafe_function(running.completion_, napi_tsfn_abort);
    return env.Undefined();
  }
  const Result result = running.StartThread();
  if (result < 0) {
    napi_resolve_deferred(env, running.deferred_, env.Undefined());
    napi_release_threadsafe_function(running.completion_, napi_tsfn_abort);
    return Number(env, result);
  }
  return {env, promise};
}

Result DmaJob::StartThread() {
  const Result result = StartJobThread(thread_, Run, this);
  started_ = result == 0;
  return result;
}

void* DmaJob::Run(void* job) {
  auto* self = static_cast<DmaJob*>(job);
  pthread_setname_np(pthread_self(), "dma-streams");
  self->batch_.Run(*self->mapper_, self->stop_at_failure_);
  // When the environment is ending, that takes this thread's hold away by itself.
  if (napi_call_threadsafe_function(self->completion_, nullptr, napi_tsfn_blocking) == napi_ok) {
    napi_release_threadsafe_function(self->completion_, napi_tsfn_release);
  }
  return nullptr;
}

// Nothing here looks at the status of a call: where it fails, the environment is ending, and nobody waits any more.
void DmaJob::Complete(napi_env env, napi_value /* unused */, void* job, void* /* data */) {
  if (env == nullptr) {
    return;
  }
  auto* self = static_cast<DmaJob*>(job);
  self->CopyOut(env);
  // Whoever waits may look at once whether anything is open still: that must not have to wait for End.
  self->mapper_.reset();
  self->batch_.LetGo();
  napi_value done = nullptr;
  if (napi_create_double(env, static_cast<double>(self->batch_.done()), &done) == napi_ok) {
    napi_resolve_deferred(env, self->deferred_, done);
  }
}

void DmaJob::End(napi_env env, void* job, void* /* hint */) {
  const std::unique_ptr<DmaJob> self(static_cast<DmaJob*>(job));
  if (self->started_) {
    pthread_join(self->thread_, nullptr);
  }
  napi_delete_reference(env, self->rows_);
  napi_delete_reference(env, self->results_);
}

void DmaJob::CopyOut(napi_env env) const {
  batch_.CopyOut(Items<double>(env, rows_), Items<int32_t>(env, results_));
}

}  // namespace dma_streams
