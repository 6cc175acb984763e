#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "memory_view.h"
#include "reservation.h"

namespace dma_streams {

// What an AddressSpace holds: its reservation and the views of it, until it is closed.
class AddressSpace {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a620002ULL};

  explicit AddressSpace(std::shared_ptr<Reservation> reservation)
      : reservation_(std::move(reservation)), views_(std::make_shared<MemoryViews>(reservation_)) {}

  // Null once closed.
  const std::shared_ptr<Reservation>& reservation() const {
    return reservation_;
  }

  Result Map(ByteRange range, const Reservation::Backing& backing, bool writable);
  Result Release(Napi::Env env, ByteRange range);
  Napi::Value View(Napi::Env env, ByteRange range);
  void Close(Napi::Env env);

  static void Export(Napi::Env env, Napi::Object exports);

 private:
  std::shared_ptr<Reservation> reservation_;
  std::shared_ptr<MemoryViews> views_;
};

}  // namespace dma_streams
