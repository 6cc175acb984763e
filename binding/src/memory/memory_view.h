#pragma once

#include <napi.h>

#include <memory>
#include <unordered_set>
#include <vector>

#include "memory/guest_memory.h"
#include "memory/viewed_memory.h"
#include "util/byte_range.h"

namespace dma_streams {

// One ArrayBuffer over guest memory.
struct MemoryView {
  // Of each mapping that it lies over.
  std::vector<std::shared_ptr<ViewedMemory>> memory;
  // Weak.
  napi_ref buffer = nullptr;
  // A mapping under it was released: it has to be emptied.
  bool released = false;
  // Other code has detached it: its contents were moved to another buffer.
  bool moved = false;
  napi_env environment = nullptr;
  // It had its contents when its environment ended.
  bool ends_full = false;
  // The engine has freed the contents, whatever buffer they were in last.
  bool freed = false;
  // The ArrayBuffer object was collected.
  bool collected = false;
};

// The ArrayBuffers that JavaScript holds over one GuestMemory.
//
// A buffer is emptied (detached) when a mapping under it is released, but not while any job of Node is under way in its
// environment. A job keeps using the pointer that it took, and keeps the ArrayBuffer object alive until it is done.
// zlib reads the length of the buffer between two steps of a job, and ends the process when it has become shorter
// (CompressionStream::Write of node_zlib.cc asserts it). Buffers that wait to be emptied contain zeros, or, in a
// RamBlock, what is there.
//
// The addresses of a view stay readable, and nothing else is mapped there, until nothing can use them. Two things must
// have happened: the engine has freed the contents, which a buffer on another thread may have received; and it has
// collected the ArrayBuffer object, which every part of Node that holds a pointer keeps alive. It is not enough that no
// request of libuv is under way: HTTP/2 queues pointers while flow control does not allow it to send.
//
// The GuestMemory may end before its views. Their memory then stays mapped, and is unmapped here.
class MemoryViews : public std::enable_shared_from_this<MemoryViews> {
 public:
  explicit MemoryViews(const std::shared_ptr<GuestMemory>& memory);
  MemoryViews(const MemoryViews&) = delete;
  MemoryViews& operator=(const MemoryViews&) = delete;
  ~MemoryViews();

  // A live ArrayBuffer over mapped memory. The range must be mapped at host addresses that adjoin, and writable, and
  // its pages must stay.
  Napi::Value Create(Napi::Env env, ByteRange range, uint64_t address);

  // Marks every buffer over a mapping in the range as released, and empties it when that may be done now.
  void Release(Napi::Env env, ByteRange range);

  // Empties the released buffers, unless a job is under way. `may_empty` allows that, for this call and for Release
  // until the next call. Returns how many are not empty yet.
  size_t EmptyReleased(Napi::Env env, bool may_empty);

 private:
  // The data that finalizers get.
  struct Ticket {
    std::shared_ptr<MemoryViews> views;
    std::shared_ptr<MemoryView> view;
  };

  static void OnFreed(napi_env env, void* data, void* ticket);
  static void OnCollected(napi_env env, void* ticket, void* hint);

  void AddMemory(GuestMemory& memory, MemoryView& view, ByteRange range);
  bool CanEmpty(napi_env env) const;
  static napi_value FullBuffer(napi_env env, const MemoryView& view);
  static void Empty(napi_env env, MemoryView& view);
  static void OnEnvironmentEnd(napi_env env);
  void ForgetUnused(const std::shared_ptr<MemoryView>& view);

  const std::weak_ptr<GuestMemory> memory_;
  // Views that may be in use.
  std::unordered_set<std::shared_ptr<MemoryView>> views_;
  // Views that are released, but not emptied yet.
  std::unordered_set<MemoryView*> waiting_;
  bool may_empty_ = true;
};

}  // namespace dma_streams
