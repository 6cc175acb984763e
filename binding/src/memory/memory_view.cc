#include "memory/memory_view.h"

#include <uv.h>

#include "memory/host_address.h"
#include "memory/ram_block.h"
#include "memory/reservation.h"
#include "util/environment_end.h"

namespace dma_streams {

namespace {

// All of this thread.
thread_local std::unordered_set<MemoryViews*> all;

}  // namespace

MemoryViews::MemoryViews(const std::shared_ptr<GuestMemory>& guest_memory) : memory_(guest_memory) {
  all.insert(this);
}

MemoryViews::~MemoryViews() {
  all.erase(this);
}

Napi::Value MemoryViews::Create(Napi::Env env, ByteRange range, uint64_t address) {
  const auto view = std::make_shared<MemoryView>();
  view->environment = env;
  auto* freed = new Ticket{shared_from_this(), view};
  napi_value buffer = nullptr;
  if (napi_create_external_arraybuffer(env, Pointer(address), range.length(), OnFreed, freed, &buffer) != napi_ok) {
    delete freed;
    if (!env.IsExceptionPending()) {
      Napi::Error::New(env, "could not make an ArrayBuffer").ThrowAsJavaScriptException();
    }
    return env.Undefined();
  }
  views_.insert(view);
  AddMemory(*memory_.lock(), *view, range);
  auto* collected = new Ticket{shared_from_this(), view};
  if (napi_add_finalizer(env, buffer, collected, OnCollected, nullptr, &view->buffer) != napi_ok) {
    delete collected;
  }
  WatchEnvironmentEnd(env, OnEnvironmentEnd);
  return {env, buffer};
}

void MemoryViews::AddMemory(GuestMemory& guest_memory, MemoryView& view, ByteRange range) {
  guest_memory.ForEachMapping(range, [&](uint64_t start, Mapping& mapping) {
    if (mapping.viewed == nullptr) {
      mapping.viewed = std::make_shared<ViewedMemory>();
      mapping.viewed->addresses = {mapping.address, mapping.address + (mapping.end - start)};
    }
    mapping.viewed->block = mapping.block;
    mapping.viewed->views.insert(&view);
    view.memory.push_back(mapping.viewed);
  });
}

void MemoryViews::Release(Napi::Env env, ByteRange range) {
  if (views_.empty()) {
    return;
  }
  const auto guest_memory = memory_.lock();
  if (guest_memory == nullptr) {
    return;
  }
  const bool can_empty = CanEmpty(env);
  guest_memory->ForEachMapping(range, [&](uint64_t /* start */, const Mapping& mapping) {
    if (mapping.viewed == nullptr) {
      return;
    }
    for (MemoryView* view : mapping.viewed->views) {
      if (!view->released && can_empty) {
        Empty(env, *view);
      } else if (!view->released) {
        waiting_.insert(view);
      }
      view->released = true;
    }
  });
}

size_t MemoryViews::EmptyReleased(Napi::Env env, bool may_empty) {
  may_empty_ = may_empty;
  if (!waiting_.empty() && CanEmpty(env)) {
    for (MemoryView* view : waiting_) {
      Empty(env, *view);
    }
    waiting_.clear();
  }
  return waiting_.size();
}

// Whether no job of this environment is under way that may have a buffer: every job of Node is a request of libuv. The
// count is a public member of a public structure, the same in all versions 1 of libuv.
bool MemoryViews::CanEmpty(napi_env env) const {
  uv_loop_t* loop = nullptr;
  return may_empty_ && (uv_version() >> 16) == UV_VERSION_MAJOR && napi_get_uv_event_loop(env, &loop) == napi_ok &&
         loop->active_reqs.count == 0;
}

// The buffer; null when other code has detached it.
napi_value MemoryViews::FullBuffer(napi_env env, const MemoryView& view) {
  napi_value buffer = nullptr;
  bool detached = true;
  const bool full = view.buffer != nullptr && napi_get_reference_value(env, view.buffer, &buffer) == napi_ok &&
                    buffer != nullptr && napi_is_detached_arraybuffer(env, buffer, &detached) == napi_ok && !detached;
  return full ? buffer : nullptr;
}

void MemoryViews::Empty(napi_env env, MemoryView& view) {
  napi_value buffer = FullBuffer(env, view);
  view.moved = buffer == nullptr || napi_detach_arraybuffer(env, buffer) != napi_ok;
}

void MemoryViews::OnEnvironmentEnd(napi_env env) {
  for (MemoryViews* views : all) {
    for (const auto& view : views->views_) {
      view->ends_full = view->environment == env && FullBuffer(env, *view) != nullptr;
    }
  }
}

void MemoryViews::OnFreed(napi_env env, void* /* data */, void* ticket) {
  const std::unique_ptr<Ticket> owned(static_cast<Ticket*>(ticket));
  MemoryView& view = *owned->view;
  MemoryViews& views = *owned->views;
  view.freed = true;
  if (IsEnding(env)) {
    // The contents may be freed only because the environment ends. Its own jobs have ended before. But another thread
    // may have received the contents: then they are never unmapped.
    const bool emptied_here = view.released && !views.waiting_.contains(&view) && !view.moved;
    const bool moved = !emptied_here && !view.ends_full;
    for (const auto& memory : view.memory) {
      memory->left_for_good = memory->left_for_good || moved;
      if (moved && memory->block != nullptr) {
        memory->block->LeaveForGood();
      }
    }
  }
  views.ForgetUnused(owned->view);
}

void MemoryViews::OnCollected(napi_env env, void* ticket, void* /* hint */) {
  const std::unique_ptr<Ticket> owned(static_cast<Ticket*>(ticket));
  MemoryView& view = *owned->view;
  view.collected = true;
  napi_delete_reference(env, std::exchange(view.buffer, nullptr));
  owned->views->ForgetUnused(owned->view);
}

void MemoryViews::ForgetUnused(const std::shared_ptr<MemoryView>& view) {
  if (!view->freed || !view->collected || views_.erase(view) == 0) {
    return;
  }
  waiting_.erase(view.get());
  const auto guest_memory = memory_.lock();
  for (const auto& memory : view->memory) {
    memory->views.erase(view.get());
    if (memory->in_use()) {
      continue;
    }
    if (memory->block != nullptr) {
      memory->block.reset();
    } else if (guest_memory != nullptr) {
      guest_memory->EndRemnant(memory->addresses.start);
    } else {
      Reservation::UnmapRemnant(memory->addresses);
    }
  }
}

}  // namespace dma_streams
