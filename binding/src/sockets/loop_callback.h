#pragma once

#include <napi.h>

#include <functional>
#include <initializer_list>

namespace dma_streams {

// A JavaScript function that is called from the event loop. By itself it does not keep the function, which would keep
// what it belongs to from being collected: the handle does, by KeepWith.
class LoopCallback {
 public:
  // `name`: of the asynchronous resource, for async_hooks.
  LoopCallback(Napi::Function function, const char* name);
  LoopCallback(const LoopCallback&) = delete;
  LoopCallback& operator=(const LoopCallback&) = delete;
  ~LoopCallback();

  // The handle of what calls the function, which keeps it from now on.
  static Napi::Value KeepWith(Napi::Value handle, Napi::Function function);

  // Whether it keeps the function, and with it all that the function refers to. At first it does not.
  void Keep(bool keep);

  // Calls it, and `after` when it has returned, before the continuations of promises run. What it throws is an uncaught
  // exception. The caller opens a handle scope. It is not called when it was collected, or the environment is ending.
  void Call(std::initializer_list<napi_value> args, const std::function<void()>& after = nullptr);

 private:
  const Napi::Env env_;
  napi_ref function_ = nullptr;
  napi_async_context context_ = nullptr;
  bool kept_ = false;
};

}  // namespace dma_streams
