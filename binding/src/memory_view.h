#pragma once

#include <napi.h>

#include <list>
#include <memory>
#include <utility>

#include "reservation.h"
#include "util/arguments.h"

namespace dma_streams {

// The ArrayBuffers that JavaScript holds over one reservation.
//
// A buffer is detached, and so becomes empty, before its memory goes. That is not enough on its own: detaching cannot
// reach a buffer that was transferred (its contents live on in another one), nor a job on another thread that is using
// the memory right now. So where a buffer has been, readable memory stays until the engine reports that nothing refers
// to it any more.
class MemoryViews : public std::enable_shared_from_this<MemoryViews> {
 public:
  explicit MemoryViews(std::shared_ptr<Reservation> reservation) : reservation_(std::move(reservation)) {}

  // A live ArrayBuffer over mapped memory. The range must be mapped, writable, and keep its pages.
  Napi::Value Create(Napi::Env env, ByteRange range);

  // Detaches every buffer that overlaps. True when memory must stay readable in the range, until the engine has
  // reported.
  bool Detach(Napi::Env env, ByteRange range);

  // Puts PROT_NONE where a buffer was, if the engine has reported since.
  void VacateUnused(ByteRange range);

  bool empty() const {
    return views_.empty();
  }

  // Whether a buffer that could not be detached may still reach into the range.
  bool MayBeReached(ByteRange range) const;

 private:
  struct View {
    ByteRange range;
    napi_ref buffer = nullptr;
    bool released = false;
    // Released, but not by us, or no longer to be found: its contents may have moved to another buffer.
    bool escaped = false;
  };
  using Views = std::list<View>;
  // What the engine hands back once nothing refers to the memory. It keeps the addresses reserved until then.
  struct Ticket {
    std::shared_ptr<MemoryViews> views;
    Views::iterator view;
  };

  static void Finalize(napi_env env, void* data, void* ticket);
  bool IsUsed(ByteRange range) const;
  void Forget(napi_env env, Views::iterator view);

  const std::shared_ptr<Reservation> reservation_;
  Views views_;
};

}  // namespace dma_streams
