#include "memory_view.h"

#include <algorithm>

namespace dma_streams {

Napi::Value MemoryViews::Create(Napi::Env env, ByteRange range) {
  views_.push_back({range});
  auto* ticket = new Ticket{shared_from_this(), std::prev(views_.end())};
  void* data = reinterpret_cast<void*>(reservation_->base() + range.start);  // NOLINT(performance-no-int-to-ptr)
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, data, range.length(), Finalize, ticket, &buffer) != napi_ok) {
    views_.erase(ticket->view);
    delete ticket;
    if (!env.IsExceptionPending()) {
      Napi::Error::New(env, "could not make an ArrayBuffer").ThrowAsJavaScriptException();
    }
    return env.Undefined();
  }
  napi_create_reference(env, buffer, 0, &ticket->view->buffer);
  return {env, buffer};
}

bool MemoryViews::Detach(Napi::Env env, ByteRange range) {
  bool in_use = false;
  for (View& view : views_) {
    if (!view.range.Overlaps(range)) {
      continue;
    }
    in_use = true;
    if (view.released) {
      continue;
    }
    view.released = true;
    napi_value buffer = nullptr;
    bool detached = true;
    if (view.buffer == nullptr || napi_get_reference_value(env, view.buffer, &buffer) != napi_ok || buffer == nullptr ||
        napi_is_detached_arraybuffer(env, buffer, &detached) != napi_ok || detached) {
      view.escaped = true;
    } else {
      view.escaped = napi_detach_arraybuffer(env, buffer) != napi_ok;
    }
  }
  return in_use;
}

bool MemoryViews::MayBeReached(ByteRange range) const {
  return std::any_of(views_.begin(), views_.end(),
                     [&](const View& view) { return view.escaped && view.range.Overlaps(range); });
}

bool MemoryViews::IsUsed(ByteRange range) const {
  return std::any_of(views_.begin(), views_.end(), [&](const View& view) { return view.range.Overlaps(range); });
}

void MemoryViews::VacateUnused(ByteRange range) {
  if (!IsUsed(range)) {
    reservation_->Vacate(range);
  }
}

void MemoryViews::Finalize(napi_env env, void* /* data */, void* ticket) {
  const std::unique_ptr<Ticket> owned(static_cast<Ticket*>(ticket));
  owned->views->Forget(env, owned->view);
}

void MemoryViews::Forget(napi_env env, Views::iterator view) {
  const View gone = *view;
  views_.erase(view);
  if (gone.buffer != nullptr) {
    napi_delete_reference(env, gone.buffer);
  }
  if (gone.released) {
    VacateUnused(gone.range);
  }
}

}  // namespace dma_streams
