#pragma once

#include <memory>
#include <unordered_set>

#include "util/byte_range.h"

namespace dma_streams {

class RamBlock;
struct MemoryView;

// The memory of one mapping of which a view was made. The mapping names it, and each of its views.
struct ViewedMemory {
  // Host addresses.
  ByteRange addresses;
  // The block in which they lie, while a view may reach it; null in a reservation.
  std::shared_ptr<RamBlock> block;
  // Views through which it may still be reached.
  std::unordered_set<MemoryView*> views;
  // Another thread may reach it until the process ends: it is never unmapped.
  bool left_for_good = false;

  bool in_use() const {
    return left_for_good || !views.empty();
  }
};

}  // namespace dma_streams
