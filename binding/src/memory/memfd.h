#pragma once

#include <napi.h>

namespace dma_streams {

// The functions behind the class Memfd.
void ExportMemfd(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
