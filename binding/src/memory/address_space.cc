#include "memory/address_space.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "memory/area_count.h"
#include "memory/release_job.h"
#include "util/arguments.h"

namespace dma_streams {

namespace {

constexpr const char* kExpected = "an address space";

// The engine ends the process when asked for a longer buffer than it supports: 4 GiB in the oldest supported one.
constexpr uint64_t kLongestView = uint64_t{1} << 32;

constexpr uint64_t kPageLimit = uint64_t{1} << 52;

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

Result AddressSpace::Map(ByteRange range, const Backing& backing, bool writable) {
  if (reservation_ == nullptr) {
    return -EBADF;
  }
  const bool displaced = reservation_->table().IsDisplaced(range);
  const Result result = reservation_->Map(range, backing, writable);
  return result == 0 && displaced ? kDisplaced : result;
}

Result AddressSpace::Release(Napi::Env env, ByteRange range) {
  if (reservation_ == nullptr) {
    return -EBADF;
  }
  const Result result = reservation_->table().CanRemove(range);
  if (result < 0) {
    return result;
  }
  views_->Release(env, range);
  return reservation_->Release(range);
}

Result AddressSpace::BeginRelease(Napi::Env env, ByteRange range, size_t row, std::vector<Removal>& removals) {
  const Result result = reservation_->table().CanRemove(range);
  if (result == 0) {
    views_->Release(env, range);
    reservation_->BeginRemoval(range, row, removals);
  }
  return result;
}

Napi::Value AddressSpace::View(Napi::Env env, ByteRange range) {
  Result result = -EBADF;
  uint64_t address = 0;
  if (reservation_ != nullptr) {
    result = MappingTable::Walk(reservation_->table()).Check(range, true, address);
    if (result == 0 && !reservation_->table().KeepsPages(range)) {
      result = -EOPNOTSUPP;
    }
    if (result == 0 && range.length() > kLongestView) {
      result = -E2BIG;
    }
  }
  return result == 0 ? views_->Create(env, range, address) : Napi::Number::New(env, result);
}

// The addresses go with the last job on another thread that has them; those that a view may still reach, with it.
void AddressSpace::Close(Napi::Env env) {
  if (reservation_ == nullptr) {
    return;
  }
  const ByteRange everything = {0, reservation_->size()};
  views_->Release(env, everything);
  std::vector<Removal> removals;
  reservation_->BeginRemoval(everything, 0, removals);
  ReleaseClosed(env, std::move(reservation_), std::move(removals));
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

// addressSpaceMap(space, startPage, endPage, fd or -1 for private memory, offset in bytes, writable, name, fileNumber):
// 0, or 1 when the mapping is displaced (see addressSpaceAddress) | -errno. What has one file number, other than 0, is
// of one open file.
Napi::Value Map(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceMap");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const ByteRange range = args.Pages(1);
  Backing backing;
  backing.fd = args.Int32(3);
  backing.offset = args.BigUint(4);
  const bool writable = args.Boolean(5);
  backing.name = args.String(6);
  backing.file_number = args.Integer(7);
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

// addressSpaceAddress(space, startPage): the host address of the mapping that begins there, 0 when none does | -errno
Napi::Value AddressOf(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceAddress");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const uint64_t page = args.Integer(1);
  if (!args.ok()) {
    return args.Refused();
  }
  if (space->reservation() == nullptr) {
    return Napi::Number::New(info.Env(), -EBADF);
  }
  const uint64_t address = page < kPageLimit ? space->reservation()->table().AddressOf(page << kPageShift) : 0;
  return Napi::Number::New(info.Env(), static_cast<double>(address));
}

// addressSpaceLimitAreas(areas): a release that would make more areas than that, in all, is refused with -ENOMEM
Napi::Value LimitAreas(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceLimitAreas");
  const uint64_t limit = args.Integer(0);
  if (!args.ok()) {
    return args.Refused();
  }
  dma_streams::LimitAreas(static_cast<int64_t>(std::min<uint64_t>(limit, INT64_MAX)));
  return info.Env().Undefined();
}

// addressSpaceAreas(): memory areas that all address spaces make of the process
Napi::Value Areas(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(AreasInUse()));
}

// addressSpaceOverlap(space, startPage, endPage): [startPage, endPage] of the first mapping that overlaps, or undefined
Napi::Value Overlap(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceOverlap");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const ByteRange range = args.Pages(1);
  ByteRange found;
  if (!args.ok() || space->reservation() == nullptr || !space->reservation()->table().FindOverlap(range, found)) {
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
  const bool whole = space->reservation() != nullptr && space->reservation()->table().Check(range, writable, at) == 0;
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

// addressSpaceEmptyViews(space, mayEmpty): how many views of released memory are not empty yet
Napi::Value EmptyViews(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceEmptyViews");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  const bool may_empty = args.Boolean(1);
  if (!args.ok()) {
    return args.Refused();
  }
  return Napi::Number::New(info.Env(), static_cast<double>(space->EmptyReleasedViews(info.Env(), may_empty)));
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
  exports.Set("addressSpaceAddress", Napi::Function::New<AddressOf>(env, "addressSpaceAddress"));
  exports.Set("addressSpaceLimitAreas", Napi::Function::New<LimitAreas>(env, "addressSpaceLimitAreas"));
  exports.Set("addressSpaceMap", Napi::Function::New<dma_streams::Map>(env, "addressSpaceMap"));
  exports.Set("addressSpaceRelease", Napi::Function::New<dma_streams::Release>(env, "addressSpaceRelease"));
  exports.Set("addressSpaceAreas", Napi::Function::New<Areas>(env, "addressSpaceAreas"));
  exports.Set("addressSpaceOverlap", Napi::Function::New<Overlap>(env, "addressSpaceOverlap"));
  exports.Set("addressSpaceFirstFault", Napi::Function::New<FirstFault>(env, "addressSpaceFirstFault"));
  exports.Set("addressSpaceRead", Napi::Function::New<Read>(env, "addressSpaceRead"));
  exports.Set("addressSpaceWrite", Napi::Function::New<Write>(env, "addressSpaceWrite"));
  exports.Set("addressSpaceView", Napi::Function::New<dma_streams::View>(env, "addressSpaceView"));
  exports.Set("addressSpaceEmptyViews", Napi::Function::New<EmptyViews>(env, "addressSpaceEmptyViews"));
  exports.Set("addressSpaceClose", Napi::Function::New<dma_streams::Close>(env, "addressSpaceClose"));
}

}  // namespace dma_streams
