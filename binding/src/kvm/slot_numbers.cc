#include "kvm/slot_numbers.h"

#include <algorithm>
#include <bit>

namespace dma_streams {

namespace {

constexpr uint32_t kWord = 64;

// The bits of a word that are numbers of the window.
uint64_t Inside(SlotNumbers::Window window, size_t word) {
  const uint64_t start = word * kWord;
  uint64_t bits = UINT64_MAX;
  if (window.first > start) {
    bits &= window.first - start >= kWord ? 0 : UINT64_MAX << (window.first - start);
  }
  if (window.end < start + kWord) {
    bits &= window.end <= start ? 0 : UINT64_MAX >> (start + kWord - window.end);
  }
  return bits;
}

}  // namespace

bool SlotNumbers::Take(Window window, uint32_t& number) {
  const std::lock_guard lock(mutex_);
  while (first_with_room_ < used_.size() && used_[first_with_room_] == UINT64_MAX) {
    ++first_with_room_;
  }
  for (size_t word = std::max<size_t>(window.first / kWord, first_with_room_); word * kWord < window.end; ++word) {
    if (word >= used_.size()) {
      used_.resize(word + 1);
    }
    const uint64_t free = ~used_[word] & Inside(window, word);
    if (free != 0) {
      used_[word] |= free & -free;
      number = static_cast<uint32_t>(word * kWord) + static_cast<uint32_t>(std::countr_zero(free));
      return true;
    }
  }
  return false;
}

void SlotNumbers::Give(uint32_t number) {
  const std::lock_guard lock(mutex_);
  const size_t word = number / kWord;
  used_[word] &= ~(uint64_t{1} << (number % kWord));
  first_with_room_ = std::min(first_with_room_, word);
}

uint32_t SlotNumbers::CountFree(Window window) const {
  const std::lock_guard lock(mutex_);
  uint32_t used = 0;
  for (size_t word = window.first / kWord; word < used_.size() && word * kWord < window.end; ++word) {
    used += static_cast<uint32_t>(std::popcount(used_[word] & Inside(window, word)));
  }
  return window.end > window.first ? window.end - window.first - used : 0;
}

}  // namespace dma_streams
