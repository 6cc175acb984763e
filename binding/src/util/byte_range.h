#pragma once

#include <cstdint>

namespace dma_streams {

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kPageShift = 12;

// A run of bytes [start, end), both page aligned.
struct ByteRange {
  uint64_t start = 0;
  uint64_t end = 0;

  uint64_t length() const {
    return end - start;
  }
};

}  // namespace dma_streams
