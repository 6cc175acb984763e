#include "dma_job.h"

#include <span>

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
  if (napi_create_reference(env, rows, 1, &job->rows_) != napi_ok ||
      napi_create_reference(env, results, 1, &job->results_) != napi_ok ||
      napi_create_async_work(env, nullptr, name, Execute, Complete, job.get(), &job->work_) != napi_ok ||
      napi_create_promise(env, &job->deferred_, &promise) != napi_ok ||
      napi_queue_async_work(env, job->work_) != napi_ok) {
    if (!env.IsExceptionPending()) {
      Napi::Error::New(env, "could not start a job on another thread").ThrowAsJavaScriptException();
    }
    return env.Undefined();
  }
  job.release();  // NOLINT(bugprone-unused-return-value): Complete takes it over
  return {env, promise};
}

void DmaJob::Execute(napi_env /* env */, void* job) {
  auto* self = static_cast<DmaJob*>(job);
  self->batch_.Run(*self->mapper_, self->stop_at_failure_);
}

// Nothing here looks at the status of a call: where it fails, the environment is ending, and nobody waits any more.
void DmaJob::Complete(napi_env env, napi_status /* status */, void* job) {
  const std::unique_ptr<DmaJob> self(static_cast<DmaJob*>(job));
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) == napi_ok) {
    self->CopyOut(env);
    napi_value done = nullptr;
    if (napi_create_double(env, static_cast<double>(self->batch_.done()), &done) == napi_ok) {
      napi_resolve_deferred(env, self->deferred_, done);
    }
    napi_close_handle_scope(env, scope);
  }
  napi_delete_reference(env, self->rows_);
  napi_delete_reference(env, self->results_);
  napi_delete_async_work(env, self->work_);
}

void DmaJob::CopyOut(napi_env env) const {
  batch_.CopyOut(Items<uint64_t>(env, rows_), Items<int32_t>(env, results_));
}

}  // namespace dma_streams
