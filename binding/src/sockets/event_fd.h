#pragma once

#include <napi.h>

namespace dma_streams {

void ExportEventFd(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
