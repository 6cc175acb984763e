#pragma once

#include <napi.h>

namespace dma_streams {

// Calls `on_end(env)` when the environment is ending, before Node frees the contents of any external ArrayBuffer that
// was made before this call. Call it again after each one that is made later.
//
// A cleanup hook of Node-API would run too late. Node frees external buffers in the reverse order of their creation.
// So this function makes a small buffer of its own, whose finalizer runs first. Tried on Node 20, 22 and 24.
void WatchEnvironmentEnd(napi_env env, void (*on_end)(napi_env env));

// Whether the environment is ending.
bool IsEnding(napi_env env);

}  // namespace dma_streams
