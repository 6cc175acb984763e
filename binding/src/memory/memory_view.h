#pragma once

#include <napi.h>

#include <memory>
#include <unordered_set>
#include <vector>

#include "memory/reservation.h"
#include "memory/viewed_memory.h"
#include "util/byte_range.h"

namespace dma_streams {

// One ArrayBuffer over guest memory.
struct MemoryView {
  // Of each mapping that it lies over.
  std::vector<std::shared_ptr<ViewedMemory>> memory;
  // Weak.
  napi_ref buffer = nullptr;
  // A mapping under it was released: it is to be emptied.
  bool released = false;
  // It was emptied by somebody else: its contents were moved to another buffer.
  bool moved = false;
  napi_env environment = nullptr;
  // It had its contents when its environment ended.
  bool ends_full = false;
  // The engine has freed the contents, whatever buffer they were in last.
  bool freed = false;
  // The ArrayBuffer object was collected.
  bool collected = false;
};

// The ArrayBuffers that JavaScript holds over one reservation.
//
// A buffer is emptied (detached) when a mapping under it is released, but not while any job of Node is under way in its
// environment. A job goes on with the pointer that it took, and keeps the ArrayBuffer object alive until it is done.
// zlib even looks at the buffer between two steps of a job, and ends the process when it has become shorter
// (CompressionStream::Write of node_zlib.cc asserts it). Buffers that wait show zeros.
//
// The addresses of a view stay readable, and nothing else is mapped there, until nobody can use them. That is when the
// engine has freed the contents, which a buffer that was moved to another thread may have, and has collected the
// ArrayBuffer object, which whatever of Node has a pointer keeps alive. That no request of libuv is under way is not
// enough: HTTP/2 queues pointers while flow control lets nothing be sent.
//
// The reservation may end before its views: their memory is then left mapped, and unmapped here.
class MemoryViews : public std::enable_shared_from_this<MemoryViews> {
 public:
  explicit MemoryViews(const std::shared_ptr<Reservation>& reservation);
  MemoryViews(const MemoryViews&) = delete;
  MemoryViews& operator=(const MemoryViews&) = delete;
  ~MemoryViews();

  // A live ArrayBuffer over mapped memory. The range must be mapped at host addresses that adjoin, and writable, and
  // its pages must stay.
  Napi::Value Create(Napi::Env env, ByteRange range, uint64_t address);

  // Marks every buffer over a mapping in the range as released, and empties it when that may be done now.
  void Release(Napi::Env env, ByteRange range);

  // Empties those that wait, unless a job is under way. `may_empty` says whether that may be done from here, now and in
  // Release until the next call. Returns how many wait still.
  size_t EmptyReleased(Napi::Env env, bool may_empty);

 private:
  // What the engine hands back with a report.
  struct Ticket {
    std::shared_ptr<MemoryViews> views;
    std::shared_ptr<MemoryView> view;
  };

  static void OnFreed(napi_env env, void* data, void* ticket);
  static void OnCollected(napi_env env, void* ticket, void* hint);

  void AddMemory(Reservation& reservation, MemoryView& view, ByteRange range);
  bool CanEmpty(napi_env env) const;
  static napi_value FullBuffer(napi_env env, const MemoryView& view);
  static void Empty(napi_env env, MemoryView& view);
  static void OnEnvironmentEnd(napi_env env);
  void ForgetUnused(const std::shared_ptr<MemoryView>& view);

  const std::weak_ptr<Reservation> reservation_;
  // Those that may be in use.
  std::unordered_set<std::shared_ptr<MemoryView>> views_;
  // Of them, those that are released, but not emptied yet.
  std::unordered_set<MemoryView*> waiting_;
  bool may_empty_ = true;
};

}  // namespace dma_streams
