#include "memory/release_job.h"

#include <algorithm>
#include <utility>

#include "util/job.h"

namespace dma_streams {

namespace {

using Removals = std::vector<Removal>;

// What is released within a call. The limits are those of binding/memory/space-releaser.ts.
constexpr size_t kSmallRemovals = 256;
constexpr uint64_t kSmallLength = uint64_t{4} << 20;

bool IsSmall(const Removals& removals) {
  uint64_t length = 0;
  for (const Removal& removal : removals) {
    length += removal.range.length();
  }
  return removals.size() <= kSmallRemovals && length <= kSmallLength;
}

class ReleaseJob : public Job {
 public:
  ReleaseJob(std::shared_ptr<GuestMemory> memory, Removals removals, std::vector<Result> results)
      : memory_(std::move(memory)), removals_(std::move(removals)), results_(std::move(results)) {}

  void Work() override {
    for (const Removal& removal : removals_) {
      memory_->DropPages(removal);
    }
    memory_->Remove(removals_);
  }

  void Finish() override {
    memory_->EndRemoval(removals_);
    for (const Removal& removal : removals_) {
      Result& result = results_[removal.row];
      result = std::min(result, removal.result);
    }
    removals_.clear();
    memory_.reset();
  }

  napi_value Answer(napi_env env) override {
    void* memory = nullptr;
    napi_value buffer = nullptr;
    napi_value array = nullptr;
    if (napi_create_arraybuffer(env, results_.size() * sizeof(Result), &memory, &buffer) == napi_ok &&
        napi_create_typedarray(env, napi_int32_array, results_.size(), buffer, 0, &array) == napi_ok) {
      std::copy(results_.begin(), results_.end(), static_cast<Result*>(memory));
    }
    return array;
  }

 private:
  // Shared, so that the addresses stay reserved when the address space is closed meanwhile.
  std::shared_ptr<GuestMemory> memory_;
  Removals removals_;
  std::vector<Result> results_;
};

}  // namespace

Napi::Value StartReleaseJob(Napi::Env env, std::shared_ptr<GuestMemory> memory, Removals removals,
                            std::vector<Result> results) {
  std::unique_ptr<Job> job = std::make_unique<ReleaseJob>(std::move(memory), std::move(removals), std::move(results));
  Napi::Value promise;
  return StartJob(env, "dma-streams release", job, promise) == 0 ? promise : RunJobNow(env, *job);
}

void ReleaseClosed(Napi::Env env, std::shared_ptr<GuestMemory> memory, Removals removals) {
  if (IsSmall(removals)) {
    memory->Remove(removals);
    memory->EndRemoval(removals);
  } else {
    StartReleaseJob(env, std::move(memory), std::move(removals), {0});
  }
}

}  // namespace dma_streams
