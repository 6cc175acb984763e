#pragma once

#include <napi.h>

namespace dma_streams {

// The function behind binding/memory/file-facts.ts.
void ExportFileFacts(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
