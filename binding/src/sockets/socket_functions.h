#pragma once

#include <napi.h>

namespace dma_streams {

void ExportSockets(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
