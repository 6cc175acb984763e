#include "memory/release_job.h"

#include <algorithm>

#include "util/job_thread.h"

namespace dma_streams {

namespace {

// What is released within a call, as by binding/space-releaser.ts.
constexpr size_t kSmallRemovals = 256;
constexpr uint64_t kSmallLength = uint64_t{4} << 20;

bool IsSmall(const ReleaseJob::Removals& removals) {
  uint64_t length = 0;
  for (const Reservation::Removal& removal : removals) {
    length += removal.range.length();
  }
  return removals.size() <= kSmallRemovals && length <= kSmallLength;
}

}  // namespace

void ReleaseJob::Run(Napi::Env env, std::shared_ptr<Reservation> reservation, Removals removals) {
  if (IsSmall(removals)) {
    reservation->TakeAway(removals);
    reservation->EndRemoval(removals);
  } else {
    Start(env, std::move(reservation), std::move(removals), {0});
  }
}

Napi::Value ReleaseJob::Start(Napi::Env env, std::shared_ptr<Reservation> reservation, Removals removals,
                              std::vector<Result> results) {
  auto job =
      std::unique_ptr<ReleaseJob>(new ReleaseJob(std::move(reservation), std::move(removals), std::move(results)));
  napi_value promise = nullptr;
  if (napi_create_promise(env, &job->deferred_, &promise) != napi_ok) {
    job->TakeAway();
    job->Settle();
    return env.Undefined();
  }
  const Napi::String name = Napi::String::New(env, "dma-streams release");
  const bool can_be_told = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, job.get(), End, job.get(),
                                                           Complete, &job->completion_) == napi_ok;
  if (can_be_told && job->StartThread()) {
    job.release();  // NOLINT(bugprone-unused-return-value): End takes it over
    return {env, promise};
  }
  job->TakeAway();
  job->Settle();
  job->Tell(env);
  if (can_be_told) {
    napi_release_threadsafe_function(job.release()->completion_, napi_tsfn_abort);
  }
  return {env, promise};
}

bool ReleaseJob::StartThread() {
  started_ = StartJobThread(thread_, RunThread, this) == 0;
  return started_;
}

void* ReleaseJob::RunThread(void* job) {
  auto* self = static_cast<ReleaseJob*>(job);
  pthread_setname_np(pthread_self(), "dma-streams");
  self->TakeAway();
  // When the environment is ending, that takes this thread's hold away by itself.
  if (napi_call_threadsafe_function(self->completion_, nullptr, napi_tsfn_blocking) == napi_ok) {
    napi_release_threadsafe_function(self->completion_, napi_tsfn_release);
  }
  return nullptr;
}

void ReleaseJob::TakeAway() {
  for (const Reservation::Removal& removal : removals_) {
    Reservation::DropPages(removal);
  }
  reservation_->TakeAway(removals_);
}

void ReleaseJob::Complete(napi_env env, napi_value /* unused */, void* job, void* /* data */) {
  auto* self = static_cast<ReleaseJob*>(job);
  if (env != nullptr) {
    self->Settle();
    self->Tell(env);
  }
}

void ReleaseJob::End(napi_env /* env */, void* job, void* /* hint */) {
  const std::unique_ptr<ReleaseJob> self(static_cast<ReleaseJob*>(job));
  if (self->started_) {
    pthread_join(self->thread_, nullptr);
  }
  self->Settle();
}

// Enters what has become of everything, and lets the addresses go. Once.
void ReleaseJob::Settle() {
  if (settled_) {
    return;
  }
  settled_ = true;
  reservation_->EndRemoval(removals_);
  for (const Reservation::Removal& removal : removals_) {
    Result& result = results_[removal.row];
    result = std::min(result, removal.result);
  }
  removals_.clear();
  reservation_.reset();
}

// Nothing here looks at the status of a call: where it fails, the environment is ending, and nobody waits any more.
void ReleaseJob::Tell(napi_env env) const {
  const size_t size = results_.size() * sizeof(Result);
  void* memory = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, size, &memory, &buffer) == napi_ok &&
      napi_create_typedarray(env, napi_int32_array, results_.size(), buffer, 0, &array) == napi_ok) {
    std::copy(results_.begin(), results_.end(), static_cast<Result*>(memory));
    napi_resolve_deferred(env, deferred_, array);
  }
}

}  // namespace dma_streams
