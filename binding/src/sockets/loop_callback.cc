#include "sockets/loop_callback.h"

namespace dma_streams {

LoopCallback::LoopCallback(Napi::Function function, const char* name) : env_(function.Env()) {
  napi_create_reference(env_, function, 0, &function_);
  napi_async_init(env_, nullptr, Napi::String::New(env_, name), &context_);
}

LoopCallback::~LoopCallback() {
  if (function_ != nullptr) {
    napi_delete_reference(env_, function_);
  }
  if (context_ != nullptr) {
    napi_async_destroy(env_, context_);
  }
}

Napi::Value LoopCallback::KeepWith(Napi::Value handle, Napi::Function function) {
  if (handle.IsObject()) {
    handle.As<Napi::Object>().Set("function", function);
  }
  return handle;
}

void LoopCallback::Keep(bool keep) {
  if (keep == kept_ || function_ == nullptr) {
    return;
  }
  kept_ = keep;
  if (keep) {
    napi_reference_ref(env_, function_, nullptr);
  } else {
    napi_reference_unref(env_, function_, nullptr);
  }
}

void LoopCallback::Call(std::initializer_list<napi_value> args, const std::function<void()>& after) {
  napi_value function = nullptr;
  napi_value global = nullptr;
  napi_callback_scope scope = nullptr;
  if (function_ == nullptr || napi_get_reference_value(env_, function_, &function) != napi_ok || function == nullptr ||
      napi_get_global(env_, &global) != napi_ok ||
      napi_open_callback_scope(env_, nullptr, context_, &scope) != napi_ok) {
    if (after) {
      after();
    }
    return;
  }
  const napi_status status = napi_call_function(env_, global, function, args.size(), args.begin(), nullptr);
  napi_value error = nullptr;
  if (status == napi_pending_exception) {
    napi_get_and_clear_last_exception(env_, &error);
  }
  if (after) {
    after();
  }
  napi_close_callback_scope(env_, scope);
  if (error != nullptr) {
    napi_fatal_exception(env_, error);
  }
}

}  // namespace dma_streams
