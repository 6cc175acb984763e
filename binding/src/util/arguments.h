#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "util/byte_range.h"
#include "util/handle.h"

namespace dma_streams {

// Reads the arguments of one call, and checks every one of them: any JavaScript value can arrive here.
//
// The first wrong argument, in the order in which they are read, leaves a TypeError pending that names the function,
// the position and what was expected. From then on every value read is a harmless default. Read all, then ask ok()
// once.
class Arguments {
 public:
  Arguments(const Napi::CallbackInfo& info, const char* function);

  bool ok() const {
    return ok_;
  }
  // What a function returns when its arguments are not ok: a TypeError is pending.
  Napi::Value Refused() const;

  template <typename T>
  std::shared_ptr<T> Handle(size_t index, const char* expected) {
    std::shared_ptr<T> object = FromHandle<T>(info_[index]);
    if (object == nullptr) {
      Refuse(index, expected);
    }
    return object;
  }

  // A bigint in [0, 2^64).
  uint64_t BigUint(size_t index);
  // A number that is an integer in [0, 2^53).
  uint64_t Integer(size_t index);
  // A number that is an integer in [0, 2^32).
  uint32_t Uint32(size_t index);
  // A number that is an integer in [-2^31, 2^31).
  int32_t Int32(size_t index);
  bool Boolean(size_t index);
  std::string String(size_t index);
  // Empty when it is not a function.
  Napi::Function Function(size_t index);
  // Two numbers, at `index` and after it: the first page and the page after the last, at most 2^52. Not empty. A range
  // that ends at 2^64 has no representation here and is refused: no address space reaches there.
  ByteRange Pages(size_t index);
  // The bytes of a Uint8Array. They stay where they are until the call returns; a detached array is empty.
  std::span<uint8_t> Bytes(size_t index);
  std::span<double> Doubles(size_t index);
  std::span<int32_t> Int32s(size_t index);
  std::span<uint64_t> BigUints(size_t index);

 private:
  void Refuse(size_t index, const char* expected);
  // An integer in [least, limit).
  double WholeNumber(size_t index, double least, double limit, const char* expected);
  template <typename Item>
  std::span<Item> Items(size_t index, napi_typedarray_type wanted, const char* expected);

  const Napi::CallbackInfo& info_;
  const char* function_;
  bool ok_ = true;
};

}  // namespace dma_streams
