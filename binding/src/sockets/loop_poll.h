#pragma once

#include <napi.h>
#include <uv.h>

#include <functional>
#include <memory>

#include "util/error.h"

namespace dma_streams {

// Watches a descriptor on the event loop of an environment. The loop stays alive while it watches for something.
//
// Destroying it ends the watching at once; the descriptor may be closed then. libuv needs the memory of the handle for
// a little longer, so that is a part of its own, which also ends with the environment.
class LoopPoll {
 public:
  // `events`: those of UV_READABLE and UV_WRITABLE that are there. All that are watched, when libuv reports an error of
  // the descriptor: the next read or write says which. It may destroy the LoopPoll.
  using OnReady = std::function<void(int events)>;

  // Watches nothing yet. -EPERM for a descriptor that cannot be watched, such as one of a regular file.
  static Result Create(napi_env env, int fd, OnReady on_ready, std::unique_ptr<LoopPoll>& out);

  LoopPoll(const LoopPoll&) = delete;
  LoopPoll& operator=(const LoopPoll&) = delete;
  ~LoopPoll();

  // UV_READABLE, UV_WRITABLE, both, or 0 for nothing. It has no effect once the environment is ending.
  void Watch(int events);

 private:
  struct Handle;

  explicit LoopPoll(Handle* handle) : handle_(handle) {}

  // Null once the environment is ending, which frees it.
  Handle* handle_;
};

}  // namespace dma_streams
