#pragma once

#include <napi.h>

namespace dma_streams {

// The functions behind the class VfioDevice.
void ExportVfioDevice(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
