#pragma once

#include <napi.h>

#include <memory>

#include "iommu/dma_batch.h"

namespace dma_streams {

// Runs a batch on another thread, because pinning memory takes the kernel long: minutes for hundreds of gigabytes.
// Starting a thread costs less than pinning a hundred pages, and IOMMUs pin beside each other, however many there are.
//
// Returns a promise of how many rows were run; their results are in the caller's arrays by then, unless those were
// detached. -errno when there can be no thread: then nothing was run.
Napi::Value StartDmaJob(Napi::Env env, std::unique_ptr<DmaMapper> mapper, DmaBatch batch, bool stop_at_failure,
                        Napi::Value rows, Napi::Value results);

}  // namespace dma_streams
