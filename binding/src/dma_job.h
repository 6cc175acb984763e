#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "dma_batch.h"

namespace dma_streams {

// A batch that runs on a thread of the pool, because pinning memory takes the kernel long.
//
// It owns all that it uses: closing the container, the files or the address space meanwhile changes nothing for it.
// When the environment ends first, the job is finished all the same, and nobody is told.
class DmaJob {
 public:
  // A promise of how many rows were run. Their results are in the caller's arrays by then, unless those were detached.
  static Napi::Value Start(Napi::Env env, std::unique_ptr<DmaMapper> mapper, DmaBatch batch, bool stop_at_failure,
                           Napi::Value rows, Napi::Value results);

 private:
  DmaJob(std::unique_ptr<DmaMapper> mapper, DmaBatch batch, bool stop_at_failure)
      : mapper_(std::move(mapper)), batch_(std::move(batch)), stop_at_failure_(stop_at_failure) {}

  static void Execute(napi_env env, void* job);
  static void Complete(napi_env env, napi_status status, void* job);
  void CopyOut(napi_env env) const;

  const std::unique_ptr<DmaMapper> mapper_;
  DmaBatch batch_;
  const bool stop_at_failure_;
  napi_async_work work_ = nullptr;
  napi_deferred deferred_ = nullptr;
  napi_ref rows_ = nullptr;
  napi_ref results_ = nullptr;
};

}  // namespace dma_streams
