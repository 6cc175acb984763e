#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "memory/guest_memory.h"
#include "memory/memory_view.h"

namespace dma_streams {

// What an AddressSpace or RamBlocks of JavaScript holds: the guest memory, until it is closed, and the views of it.
class AddressSpace {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a620002ULL};

  explicit AddressSpace(std::shared_ptr<GuestMemory> memory);
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;
  ~AddressSpace();

  // The number that stands for it in a row of a batch. Never used twice in a process.
  uint64_t id() const {
    return id_;
  }
  // The guest memory of the address space of this thread with that number; null when there is none, or it is closed.
  static std::shared_ptr<GuestMemory> Find(uint64_t id);

  // Null once closed.
  const std::shared_ptr<GuestMemory>& memory() const {
    return memory_;
  }

  Result Release(Napi::Env env, ByteRange range);
  // Empties the views of the range, and marks its mappings for removal. The address space must not be closed.
  Result BeginRelease(Napi::Env env, ByteRange range, size_t row, std::vector<Removal>& removals);
  Napi::Value View(Napi::Env env, ByteRange range);
  // See MemoryViews. Also after the address space was closed.
  size_t EmptyReleasedViews(Napi::Env env, bool may_empty) {
    return views_->EmptyReleased(env, may_empty);
  }
  void Close(Napi::Env env);

 private:
  const uint64_t id_;
  std::shared_ptr<GuestMemory> memory_;
  const std::shared_ptr<MemoryViews> views_;
};

}  // namespace dma_streams
