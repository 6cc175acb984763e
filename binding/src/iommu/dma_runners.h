#pragma once

#include <napi.h>

namespace dma_streams {

// The functions that run rows on a VFIO container or an IOAS.
void ExportDmaRunners(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
