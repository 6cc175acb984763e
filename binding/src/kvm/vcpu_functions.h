#pragma once

#include <napi.h>

namespace dma_streams {

// The functions of vCPUs.
void ExportKvmVcpu(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
