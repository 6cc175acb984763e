#pragma once

#include <unordered_set>

#include "util/byte_range.h"

namespace dma_streams {

struct MemoryView;

// The memory of one mapping of which a view was made. The mapping names it, and each of its views.
struct ViewedMemory {
  // Host addresses.
  ByteRange addresses;
  // Views through which it may still be reached.
  std::unordered_set<MemoryView*> views;
  // Another thread may reach it until the process ends: it is never unmapped.
  bool left_for_good = false;

  bool in_use() const {
    return left_for_good || !views.empty();
  }
};

}  // namespace dma_streams
