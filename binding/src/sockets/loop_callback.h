#pragma once

#include <napi.h>

#include <functional>
#include <initializer_list>

namespace dma_streams {

// A JavaScript function that is called from the event loop. By itself it does not keep the function: what the function
// belongs to is collected when JavaScript forgets it.
class LoopCallback {
 public:
  // `name`: of the asynchronous resource, for async_hooks.
  LoopCallback(Napi::Function function, const char* name);
  LoopCallback(const LoopCallback&) = delete;
  LoopCallback& operator=(const LoopCallback&) = delete;
  ~LoopCallback();

  // Whether it keeps the function, and with it all that the function refers to. At first it does not.
  void Keep(bool keep);

  // Calls it, and `after` when it has returned, before the continuations of promises run. What it throws is an uncaught
  // exception. The caller opens a handle scope. It is not called when it was collected, or the environment is ending.
  void Call(std::initializer_list<napi_value> args, const std::function<void()>& after = [] {});

 private:
  const napi_env env_;
  napi_ref function_ = nullptr;
  napi_async_context context_ = nullptr;
  bool kept_ = false;
};

}  // namespace dma_streams
