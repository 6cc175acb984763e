#pragma once

#include <napi.h>

namespace dma_streams {

// Calls `on_end(env)` when the environment is being taken down, before Node takes away the contents of any external
// ArrayBuffer that was made before this call. To be called again for each that is made later.
//
// A cleanup hook of Node-API would run too late. Node takes the contents away in the reverse order in which the buffers
// were made: the one that this keeps, of no use otherwise, goes first. Tried on Node 20, 22 and 24.
void WatchEnvironmentEnd(napi_env env, void (*on_end)(napi_env env));

// Whether the environment is being taken down.
bool IsEnding(napi_env env);

}  // namespace dma_streams
