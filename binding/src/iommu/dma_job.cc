#include "iommu/dma_job.h"

#include <span>
#include <utility>

#include "util/job.h"
#include "util/open_file.h"

namespace dma_streams {

namespace {

// The memory of a typed array as it is now: empty when its buffer was detached.
template <typename Item>
std::span<Item> Items(napi_env env, const Napi::ObjectReference& reference) {
  size_t length = 0;
  void* data = nullptr;
  const Napi::Object array = reference.Value();
  if (array.IsEmpty() || napi_get_typedarray_info(env, array, nullptr, &length, &data, nullptr, nullptr) != napi_ok ||
      data == nullptr) {
    return {};
  }
  return {static_cast<Item*>(data), length};
}

class DmaJob : public Job {
 public:
  DmaJob(std::unique_ptr<DmaMapper> mapper, DmaBatch batch, bool stop_at_failure, Napi::ObjectReference rows,
         Napi::ObjectReference results)
      : mapper_(std::move(mapper)),
        batch_(std::move(batch)),
        stop_at_failure_(stop_at_failure),
        rows_(std::move(rows)),
        results_(std::move(results)) {}

  void Work() override {
    batch_.Run(*mapper_, stop_at_failure_);
  }

  // Before the promise is resolved, so that whoever waits for it finds everything closed.
  void Finish() override {
    mapper_.reset();
    batch_.DropReferences();
  }

  napi_value Answer(napi_env env) override {
    batch_.CopyOut(Items<double>(env, rows_), Items<int32_t>(env, results_));
    napi_value done = nullptr;
    napi_create_double(env, static_cast<double>(batch_.done()), &done);
    return done;
  }

 private:
  std::unique_ptr<DmaMapper> mapper_;
  DmaBatch batch_;
  const bool stop_at_failure_;
  const Napi::ObjectReference rows_;
  const Napi::ObjectReference results_;
};

}  // namespace

Napi::Value StartDmaJob(Napi::Env env, std::unique_ptr<DmaMapper> mapper, DmaBatch batch, bool stop_at_failure,
                        Napi::Value rows, Napi::Value results) {
  std::unique_ptr<Job> job =
      std::make_unique<DmaJob>(std::move(mapper), std::move(batch), stop_at_failure,
                               Napi::Persistent(rows.As<Napi::Object>()), Napi::Persistent(results.As<Napi::Object>()));
  if (env.IsExceptionPending()) {
    return env.Undefined();
  }
  Napi::Value promise;
  const Result result = StartJob(env, "dma-streams batch", job, promise);
  return result < 0 ? Number(env, result) : promise;
}

}  // namespace dma_streams
