#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

namespace dma_streams {

// Which numbers of a VM's memory slots are in use, as far as this process has given them out for one KvmVm. Safe to use
// on any thread.
class SlotNumbers {
 public:
  // [first, end).
  struct Window {
    uint32_t first = 0;
    uint32_t end = 0;
  };

  // Takes the lowest free number of the window; false when none is free.
  bool Take(Window window, uint32_t& number);
  void Give(uint32_t number);
  // How many numbers of the window are free.
  uint32_t CountFree(Window window) const;

 private:
  mutable std::mutex mutex_;
  // In use: one bit a number. Numbers beyond the end are free.
  std::vector<uint64_t> used_;
  // Every word below this one is full.
  size_t first_with_room_ = 0;
};

}  // namespace dma_streams
