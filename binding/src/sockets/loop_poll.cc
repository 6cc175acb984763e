#include "sockets/loop_poll.h"

#include <utility>

namespace dma_streams {

namespace {

// An environment that ends runs its event loop once more, when JavaScript can no longer run and no value can be made.
bool CanRunJavaScript(napi_env env) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) {
    return false;
  }
  napi_value value = nullptr;
  // Of the calls without an effect, this one fails when JavaScript cannot run.
  const bool can = napi_get_undefined(env, &value) == napi_ok && napi_coerce_to_bool(env, value, &value) == napi_ok;
  napi_close_handle_scope(env, scope);
  return can;
}

}  // namespace

// Freed when libuv has closed it.
struct LoopPoll::Handle {
  uv_poll_t poll{};
  napi_env env = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  OnReady on_ready;
  // Null once the LoopPoll is destroyed.
  LoopPoll* owner = nullptr;
  // What it is to watch, and what libuv watches.
  int wanted = 0;
  int watched = 0;

  static void OnPoll(uv_poll_t* poll, int status, int events) {
    auto& handle = *static_cast<Handle*>(poll->data);
    if (status < 0) {
      // libuv has stopped watching.
      events = std::exchange(handle.watched, 0);
    }
    if (!CanRunJavaScript(handle.env)) {
      handle.wanted = 0;
      handle.Update();
      return;
    }
    handle.on_ready(events);
    handle.Update();
  }

  void Update() {
    if (owner == nullptr || wanted == watched) {
      return;
    }
    if (wanted == 0) {
      uv_poll_stop(&poll);
    } else {
      uv_poll_start(&poll, wanted, OnPoll);
    }
    watched = wanted;
  }

  void Close() {
    if (owner != nullptr) {
      std::exchange(owner, nullptr)->handle_ = nullptr;
      uv_close(reinterpret_cast<uv_handle_t*>(&poll), OnClosed);
    }
  }

  static void OnClosed(uv_handle_t* closed) {
    const std::unique_ptr<Handle> handle(static_cast<Handle*>(closed->data));
    napi_remove_async_cleanup_hook(handle->hook);
  }

  // The environment is ending: it waits until the hook is removed.
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle /* hook */, void* handle) {
    static_cast<Handle*>(handle)->Close();
  }
};

Result LoopPoll::Create(napi_env env, int fd, OnReady on_ready, std::unique_ptr<LoopPoll>& out) {
  uv_loop_t* loop = nullptr;
  auto handle = std::make_unique<Handle>();
  if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
      napi_add_async_cleanup_hook(env, Handle::OnEnvironmentEnd, handle.get(), &handle->hook) != napi_ok) {
    return -EAGAIN;
  }
  const Result result = uv_poll_init(loop, &handle->poll, fd);
  if (result < 0) {
    napi_remove_async_cleanup_hook(handle->hook);
    return result;
  }
  handle->poll.data = handle.get();
  handle->env = env;
  handle->on_ready = std::move(on_ready);
  out.reset(new LoopPoll(handle.get()));
  handle->owner = out.get();
  handle.release();  // NOLINT(bugprone-unused-return-value): OnClosed frees it
  return 0;
}

LoopPoll::~LoopPoll() {
  if (handle_ != nullptr) {
    handle_->Close();
  }
}

void LoopPoll::Watch(int events) {
  if (handle_ != nullptr) {
    handle_->wanted = events;
    handle_->Update();
  }
}

}  // namespace dma_streams
