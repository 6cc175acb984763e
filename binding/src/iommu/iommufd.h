#pragma once

#include <napi.h>

namespace dma_streams {

// The functions behind the classes Iommufd and Ioas, but for mapping: see iommu/dma_batch.h. An IOAS is a number in its
// iommufd.
void ExportIommufd(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
