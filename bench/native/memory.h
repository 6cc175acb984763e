#pragma once

#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdint>

#include "loop.h"

namespace {

constexpr int kMemory = 3;
// Where the mappings are, for the device: with a gap as long as itself after each.
constexpr uint64_t kIova = uint64_t{1} << 32;

struct Range {
  uint64_t iova;
  uint64_t length;
  uint64_t file_offset;
  uint64_t va;
};

// Addresses for the memory: all of it at once, for ioctls alone; and room in which each range gets its own.
class Addresses {
 public:
  Addresses() {
    struct stat status{};
    Check(::fstat(kMemory, &status), "fstat of the memory");
    size_ = static_cast<uint64_t>(status.st_size);
    whole_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, kMemory, 0);
    room_ = ::mmap(nullptr, 2 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (whole_ == MAP_FAILED || room_ == MAP_FAILED) {
      Fail("mmap");
    }
  }

  // Range number `index` of those that the memory has, over and over.
  Range At(uint64_t index, uint64_t length, bool own) const {
    const uint64_t place = index % (size_ / length);
    const uint64_t at = place * length;
    const auto base = reinterpret_cast<uintptr_t>(own ? room_ : whole_);
    return {.iova = kIova + 2 * at, .length = length, .file_offset = at, .va = base + (own ? 2 * at : at)};
  }

  static void Make(const Range& range) {
    Place(range, ::mmap(Pointer(range), range.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, kMemory,
                        static_cast<off_t>(range.file_offset)));
  }

  static void Release(const Range& range) {
    Place(range, ::mmap(Pointer(range), range.length, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0));
  }

 private:
  static void* Pointer(const Range& range) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loops keep addresses as numbers, as the kernel takes them.
    return reinterpret_cast<void*>(range.va);
  }

  static void Place(const Range& range, void* result) {
    if (result != Pointer(range)) {
      Fail("mmap at a fixed place");
    }
  }

  uint64_t size_ = 0;
  void* whole_ = nullptr;
  void* room_ = nullptr;
};

}  // namespace
