#include "util/job.h"

#include <pthread.h>

#include <utility>

#include "util/job_thread.h"

namespace dma_streams {

namespace {

// A job and what Node-API needs to know of it. The thread-safe function owns it: its finalizer, End, deletes it.
struct RunningJob {
  // Null when the job was not started.
  std::unique_ptr<Job> job;
  bool finished = false;
  pthread_t thread{};
  napi_threadsafe_function completion = nullptr;
  napi_deferred deferred = nullptr;
};

void* RunThread(void* data) {
  auto* running = static_cast<RunningJob*>(data);
  EnterJobThread();
  running->job->Work();
  // A call that fails has released the function for this thread already: the environment is ending.
  if (napi_call_threadsafe_function(running->completion, nullptr, napi_tsfn_blocking) == napi_ok) {
    napi_release_threadsafe_function(running->completion, napi_tsfn_release);
  }
  return nullptr;
}

// The status of the calls is not looked at: where they fail, the environment is ending, and nobody can see the promise.
void ResolvePromise(napi_env env, napi_deferred deferred, Job& job) {
  napi_value answer = job.Answer(env);
  if (answer != nullptr) {
    napi_resolve_deferred(env, deferred, answer);
  }
}

// Called on the thread of the environment when the work is done. When the environment is ending, `env` is null, or this
// is not called at all.
void Complete(napi_env env, napi_value /* unused */, void* data, void* /* unused */) {
  if (env == nullptr) {
    return;
  }
  auto* running = static_cast<RunningJob*>(data);
  running->job->Finish();
  running->finished = true;
  ResolvePromise(env, running->deferred, *running->job);
}

// Called on the thread of the environment, last: when the job's thread has released the function, or when the
// environment ends.
void End(napi_env /* env */, void* data, void* /* hint */) {
  const std::unique_ptr<RunningJob> running(static_cast<RunningJob*>(data));
  if (running->job == nullptr) {
    return;
  }
  pthread_join(running->thread, nullptr);
  if (!running->finished) {
    running->job->Finish();
  }
}

}  // namespace

Result StartJob(Napi::Env env, const char* name, std::unique_ptr<Job>& job, Napi::Value& promise) {
  auto owned = std::make_unique<RunningJob>();
  if (napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, name), 0, 1, owned.get(), End,
                                      owned.get(), Complete, &owned->completion) != napi_ok) {
    return -EAGAIN;
  }
  RunningJob& running = *owned.release();  // NOLINT(bugprone-unused-return-value): End takes it over
  napi_value made = nullptr;
  Result result = -EAGAIN;
  // Made after everything else that may fail: a promise that is never settled is never freed.
  if (napi_create_promise(env, &running.deferred, &made) == napi_ok) {
    running.job = std::move(job);
    result = StartJobThread(running.thread, RunThread, &running);
    if (result == 0) {
      promise = {env, made};
      return 0;
    }
    job = std::move(running.job);
    napi_resolve_deferred(env, running.deferred, env.Undefined());
  }
  napi_release_threadsafe_function(running.completion, napi_tsfn_abort);
  return result;
}

Napi::Value RunJobNow(Napi::Env env, Job& job) {
  job.Work();
  job.Finish();
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) {
    return env.Undefined();
  }
  ResolvePromise(env, deferred, job);
  return {env, promise};
}

}  // namespace dma_streams
