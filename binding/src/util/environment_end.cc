#include "util/environment_end.h"

#include <map>

namespace dma_streams {

namespace {

using OnEnd = void (*)(napi_env env);

// The contents of the buffer that is freed first.
char first_contents = 0;

// For each environment of this thread, the buffer that is freed first.
thread_local std::map<napi_env, napi_ref> first_buffers;

void OnFirstFreed(napi_env env, void* /* data */, void* on_end) {
  // A buffer that was replaced by a later call is freed while the environment still runs.
  if (IsEnding(env) && first_buffers.erase(env) > 0) {
    reinterpret_cast<OnEnd>(on_end)(env);
  }
}

}  // namespace

void WatchEnvironmentEnd(napi_env env, OnEnd on_end) {
  napi_value buffer = nullptr;
  napi_ref reference = nullptr;
  if (napi_create_external_arraybuffer(env, &first_contents, 1, OnFirstFreed, reinterpret_cast<void*>(on_end),
                                       &buffer) != napi_ok ||
      napi_create_reference(env, buffer, 1, &reference) != napi_ok) {
    return;
  }
  napi_ref& kept = first_buffers[env];
  if (kept != nullptr) {
    napi_delete_reference(env, kept);
  }
  kept = reference;
}

// An environment that is ending refuses calls that might run JavaScript.
bool IsEnding(napi_env env) {
  napi_value global = nullptr;
  bool has = false;
  return napi_get_global(env, &global) != napi_ok || napi_has_named_property(env, global, "Object", &has) != napi_ok;
}

}  // namespace dma_streams
