#include "address_space.h"

#include <atomic>
#include <map>

#include "util/arguments.h"

namespace dma_streams {

namespace {

constexpr const char* kExpected = "an address space";

// The engine ends the process when asked for a longer buffer than it supports: 4 GiB in the oldest supported one.
constexpr uint64_t kLongestView = uint64_t{1} << 32;

std::atomic<uint64_t> next_id{0};

// Of this thread: an address space is made, used and given up on one.
thread_local std::map<uint64_t, const AddressSpace*> spaces;

}  // namespace

AddressSpace::AddressSpace(std::shared_ptr<Reservation> reservation)
    : id_(next_id++), reservation_(std::move(reservation)), views_(std::make_shared<MemoryViews>(reservation_)) {
  spaces.emplace(id_, this);
}

AddressSpace::~AddressSpace() {
  spaces.erase(id_);
}

std::shared_ptr<Reservation> AddressSpace::Find(uint64_t id) {
  const auto found = spaces.find(id);
  return found == spaces.end() ? nullptr : found->second->reservation();
}

Result AddressSpace::Map(ByteRange range, const Reservation::Backing& backing, bool writable) {
  if (reservation_ == nullptr) {
    return -EBADF;
  }
  const bool reached = views_->MayBeReached(range);
  if (reached && !writable) {
    return -EBUSY;
  }
  const Result result = reservation_->Map(range, backing, writable);
  if (result == 0 && reached && !reservation_->KeepsPages(range)) {
    reservation_->Release(range, true);
    return -EBUSY;
  }
  return result;
}

Result AddressSpace::Release(Napi::Env env, ByteRange range) {
  if (reservation_ == nullptr) {
    return -EBADF;
  }
  const Result result = reservation_->CanRemove(range);
  return result < 0 ? result : reservation_->Release(range, views_->Detach(env, range), views_->empty());
}

Result AddressSpace::BeginRelease(Napi::Env env, ByteRange range, size_t row,
                                  std::vector<Reservation::Removal>& removals) {
  const Result result = reservation_->CanRemove(range);
  if (result == 0) {
    const bool keep_readable = views_->Detach(env, range);
    reservation_->BeginRemoval(range, row, keep_readable, views_->empty(), removals);
  }
  return result;
}

bool AddressSpace::MayBeReached(ByteRange range) const {
  return views_->MayBeReached(range);
}

Napi::Value AddressSpace::View(Napi::Env env, ByteRange range) {
  Result result = -EBADF;
  if (reservation_ != nullptr) {
    uint64_t at = 0;
    result = reservation_->Check(range, true, at);
    if (result == 0 && !reservation_->KeepsPages(range)) {
      result = -EOPNOTSUPP;
    }
    if (result == 0 && range.length() > kLongestView) {
      result = -E2BIG;
    }
  }
  return result == 0 ? views_->Create(env, range) : Napi::Number::New(env, result);
}

void AddressSpace::Close(Napi::Env env) {
  if (reservation_ == nullptr) {
    return;
  }
  const ByteRange everything = {0, reservation_->size()};
  // The addresses go with the last owner: a view whose end the engine has not reported yet, or a job on another thread.
  reservation_->Release(everything, views_->Detach(env, everything), views_->empty());
  views_.reset();
  reservation_.reset();
}

namespace {

// addressSpaceReserve(size): handle | -errno
Napi::Value Reserve(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceReserve");
  const uint64_t size = args.BigUint(0);
  if (!args.ok()) {
    return args.Refused();
  }
  std::shared_ptr<Reservation> reservation;
  const Result result = Reservation::Create(size, reservation);
  if (result < 0) {
    return Napi::Number::New(info.Env(), result);
  }
  return NewHandle(info.Env(), std::make_shared<AddressSpace>(std::move(reservation)));
}

// addressSpaceBase(space): the host address of GPA 0 | -errno
Napi::Value Base(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceBase");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  if (!args.ok()) {
    return args.Refused();
  }
  if (space->reservation() == nullptr) {
    return Napi::Number::New(info.Env(), -EBADF);
  }
  return Napi::BigInt::New(info.Env(), space->reservation()->base());
}

// addressSpaceId(space): what a row of a batch names it by
Napi::Value Id(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceId");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  return args.ok() ? Napi::Number::New(info.Env(), static_cast<double>(space->id())) : args.Refused();
}

// addressSpaceMap(space, startPage, endPage, fd or -1 for private memory, offset in bytes, writable, name): 0 | -errno
Napi::Value Map(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceMap");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const ByteRange range = args.Pages(1);
  Reservation::Backing backing;
  backing.fd = args.Int32(3);
  backing.offset = args.BigUint(4);
  const bool writable = args.Boolean(5);
  backing.name = args.String(6);
  if (!args.ok()) {
    return args.Refused();
  }
  if (backing.fd < -1 || backing.offset % kPageSize != 0 || backing.offset > INT64_MAX) {
    return Napi::Number::New(info.Env(), -EINVAL);
  }
  return Napi::Number::New(info.Env(), space->Map(range, backing, writable));
}

// addressSpaceRelease(space, startPage, endPage): 0 | -errno
Napi::Value Release(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceRelease");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const ByteRange range = args.Pages(1);
  if (!args.ok()) {
    return args.Refused();
  }
  return Napi::Number::New(info.Env(), space->Release(info.Env(), range));
}

// addressSpaceAreas(): memory areas that the mappings of all address spaces make of the process
Napi::Value Areas(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Reservation::AreasInUse()));
}

// addressSpaceOverlap(space, startPage, endPage): [startPage, endPage] of the first mapping that overlaps, or undefined
Napi::Value Overlap(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceOverlap");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const ByteRange range = args.Pages(1);
  ByteRange found;
  if (!args.ok() || space->reservation() == nullptr || !space->reservation()->FindOverlap(range, found)) {
    return info.Env().Undefined();
  }
  Napi::Array pages = Napi::Array::New(info.Env(), 2);
  pages.Set(uint32_t{0}, static_cast<double>(found.start >> kPageShift));
  pages.Set(uint32_t{1}, static_cast<double>(found.end >> kPageShift));
  return pages;
}

// addressSpaceFirstFault(space, startPage, endPage, writable): the first page that is not mapped (or not writable, when
// that is asked for), or -1
Napi::Value FirstFault(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceFirstFault");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const ByteRange range = args.Pages(1);
  const bool writable = args.Boolean(3);
  if (!args.ok()) {
    return args.Refused();
  }
  uint64_t at = range.start;
  const bool whole = space->reservation() != nullptr && space->reservation()->Check(range, writable, at) == 0;
  return Napi::Number::New(info.Env(), whole ? -1 : static_cast<double>(at >> kPageShift));
}

// addressSpaceRead(space, gpa, to): 0 | -errno
Napi::Value Read(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceRead");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const uint64_t gpa = args.BigUint(1);
  const auto to = args.Bytes(2);
  if (!args.ok()) {
    return args.Refused();
  }
  if (space->reservation() == nullptr) {
    return Napi::Number::New(info.Env(), -EBADF);
  }
  size_t done = 0;
  return Napi::Number::New(info.Env(), space->reservation()->Read(gpa, to.data(), to.size(), done));
}

// addressSpaceWrite(space, gpa, from): 0 | -errno
Napi::Value Write(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceWrite");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const uint64_t gpa = args.BigUint(1);
  const auto from = args.Bytes(2);
  if (!args.ok()) {
    return args.Refused();
  }
  if (space->reservation() == nullptr) {
    return Napi::Number::New(info.Env(), -EBADF);
  }
  size_t done = 0;
  return Napi::Number::New(info.Env(), space->reservation()->Write(gpa, from.data(), from.size(), done));
}

// addressSpaceView(space, startPage, endPage): an ArrayBuffer | -errno
Napi::Value View(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceView");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const ByteRange range = args.Pages(1);
  if (!args.ok()) {
    return args.Refused();
  }
  return space->View(info.Env(), range);
}

// addressSpaceClose(space): 0, also when it is closed already
Napi::Value Close(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceClose");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  if (!args.ok()) {
    return args.Refused();
  }
  space->Close(info.Env());
  return Napi::Number::New(info.Env(), 0);
}

}  // namespace

void AddressSpace::Export(Napi::Env env, Napi::Object exports) {
  exports.Set("addressSpaceReserve", Napi::Function::New<Reserve>(env, "addressSpaceReserve"));
  exports.Set("addressSpaceId", Napi::Function::New<Id>(env, "addressSpaceId"));
  exports.Set("addressSpaceBase", Napi::Function::New<Base>(env, "addressSpaceBase"));
  exports.Set("addressSpaceMap", Napi::Function::New<dma_streams::Map>(env, "addressSpaceMap"));
  exports.Set("addressSpaceRelease", Napi::Function::New<dma_streams::Release>(env, "addressSpaceRelease"));
  exports.Set("addressSpaceAreas", Napi::Function::New<Areas>(env, "addressSpaceAreas"));
  exports.Set("addressSpaceOverlap", Napi::Function::New<Overlap>(env, "addressSpaceOverlap"));
  exports.Set("addressSpaceFirstFault", Napi::Function::New<FirstFault>(env, "addressSpaceFirstFault"));
  exports.Set("addressSpaceRead", Napi::Function::New<Read>(env, "addressSpaceRead"));
  exports.Set("addressSpaceWrite", Napi::Function::New<Write>(env, "addressSpaceWrite"));
  exports.Set("addressSpaceView", Napi::Function::New<dma_streams::View>(env, "addressSpaceView"));
  exports.Set("addressSpaceClose", Napi::Function::New<dma_streams::Close>(env, "addressSpaceClose"));
}

}  // namespace dma_streams
