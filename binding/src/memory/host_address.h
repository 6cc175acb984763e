#pragma once

#include <cstdint>

namespace dma_streams {

// The one place where numbers become pointers. Addresses are numbers, for arithmetic; system calls take pointers.
inline void* Pointer(uint64_t address) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));  // NOLINT(performance-no-int-to-ptr)
}

inline uint64_t Address(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
}

}  // namespace dma_streams
