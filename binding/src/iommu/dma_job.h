#pragma once

#include <napi.h>
#include <pthread.h>

#include <memory>
#include <utility>

#include "iommu/dma_batch.h"

namespace dma_streams {

// A batch that runs on another thread, because pinning memory takes the kernel long: minutes for hundreds of gigabytes.
//
// A thread of its own, not one of libuv's pool: that has four, which the file system, DNS and cryptography of the whole
// process wait for too. So IOMMUs pin beside each other, however many there are, and nobody else waits for them. Making
// a thread costs less than pinning a hundred pages.
//
// It owns all that it uses: closing the container, the files or the address space meanwhile changes nothing for it.
// When the environment ends first, it waits for the job, and nobody is told.
class DmaJob {
 public:
  // A promise of how many rows were run. Their results are in the caller's arrays by then, unless those were detached.
  // -errno when there can be no thread: then nothing was run.
  static Napi::Value Start(Napi::Env env, std::unique_ptr<DmaMapper> mapper, DmaBatch batch, bool stop_at_failure,
                           Napi::Value rows, Napi::Value results);

 private:
  DmaJob(std::unique_ptr<DmaMapper> mapper, DmaBatch batch, bool stop_at_failure)
      : mapper_(std::move(mapper)), batch_(std::move(batch)), stop_at_failure_(stop_at_failure) {}

  Result StartThread();
  static void* Run(void* job);
  // Both on the thread of the environment: when the batch was run, and when the job's thread has let go.
  static void Complete(napi_env env, napi_value unused, void* job, void* data);
  static void End(napi_env env, void* job, void* hint);
  void CopyOut(napi_env env) const;

  std::unique_ptr<DmaMapper> mapper_;
  DmaBatch batch_;
  const bool stop_at_failure_;
  pthread_t thread_{};
  bool started_ = false;
  napi_threadsafe_function completion_ = nullptr;
  napi_deferred deferred_ = nullptr;
  napi_ref rows_ = nullptr;
  napi_ref results_ = nullptr;
};

}  // namespace dma_streams
