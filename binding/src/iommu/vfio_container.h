#pragma once

#include <napi.h>

namespace dma_streams {

// The functions behind the class VfioContainer, but for mapping: see iommu/dma_batch.h.
void ExportVfioContainer(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
