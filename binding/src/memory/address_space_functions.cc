#include "memory/address_space_functions.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "memory/address_space.h"
#include "memory/area_count.h"
#include "memory/ram_blocks.h"
#include "memory/reservation.h"
#include "util/arguments.h"

namespace dma_streams {

namespace {

constexpr const char* kExpected = "an address space";

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

// ramBlocksCreate(hugePages): handle. Everything that takes an address space takes it, too.
Napi::Value CreateRamBlocks(const Napi::CallbackInfo& info) {
  Arguments args(info, "ramBlocksCreate");
  const bool huge_pages = args.Boolean(0);
  if (!args.ok()) {
    return args.Refused();
  }
  return NewHandle(info.Env(), std::make_shared<AddressSpace>(std::make_shared<RamBlocks>(huge_pages)));
}

// addressSpaceId(space): the number that stands for it in a row of a batch
Napi::Value Id(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceId");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  return args.ok() ? Napi::Number::New(info.Env(), static_cast<double>(space->id())) : args.Refused();
}

// addressSpaceMap(space, startPage, endPage, fd or -1 for private memory, offset in bytes, writable, name, fileNumber):
// the host address | -errno. What has one file number, other than 0, is of one open file.
Napi::Value Map(const Napi::CallbackInfo& info) {
  Arguments args(info, "addressSpaceMap");
  const auto space = args.Handle<AddressSpace>(0, kExpected);
  MapRequest request;
  request.range = args.Pages(1);
  request.backing.fd = args.Int32(3);
  request.backing.offset = args.BigUint(4);
  request.writable = args.Boolean(5);
  request.backing.name = args.String(6);
  request.backing.file_number = args.Integer(7);
  if (!args.ok()) {
    return args.Refused();
  }
  if (space->memory() == nullptr) {
    return Napi::Number::New(info.Env(), -EBADF);
  }
  const uint64_t offset = request.backing.offset;
  if (request.backing.fd < -1 || offset % kPageSize != 0 || offset > INT64_MAX) {
    return Napi::Number::New(info.Env(), -EINVAL);
  }
  space->memory()->Map({&request, 1});
  const auto address = static_cast<double>(request.address);
  return Napi::Number::New(info.Env(), request.result < 0 ? request.result : address);
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
  if (!args.ok() || space->memory() == nullptr || !space->memory()->table().FindOverlap(range, found)) {
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
  const bool whole = space->memory() != nullptr && space->memory()->table().Check(range, writable, at) == 0;
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
  if (space->memory() == nullptr) {
    return Napi::Number::New(info.Env(), -EBADF);
  }
  size_t done = 0;
  return Napi::Number::New(info.Env(), space->memory()->Read(gpa, to.data(), to.size(), done));
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
  if (space->memory() == nullptr) {
    return Napi::Number::New(info.Env(), -EBADF);
  }
  size_t done = 0;
  return Napi::Number::New(info.Env(), space->memory()->Write(gpa, from.data(), from.size(), done));
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

void ExportAddressSpace(Napi::Env env, Napi::Object exports) {
  exports.Set("addressSpaceReserve", Napi::Function::New<Reserve>(env, "addressSpaceReserve"));
  exports.Set("ramBlocksCreate", Napi::Function::New<CreateRamBlocks>(env, "ramBlocksCreate"));
  exports.Set("addressSpaceId", Napi::Function::New<Id>(env, "addressSpaceId"));
  exports.Set("addressSpaceLimitAreas", Napi::Function::New<LimitAreas>(env, "addressSpaceLimitAreas"));
  exports.Set("addressSpaceMap", Napi::Function::New<Map>(env, "addressSpaceMap"));
  exports.Set("addressSpaceRelease", Napi::Function::New<Release>(env, "addressSpaceRelease"));
  exports.Set("addressSpaceAreas", Napi::Function::New<Areas>(env, "addressSpaceAreas"));
  exports.Set("addressSpaceOverlap", Napi::Function::New<Overlap>(env, "addressSpaceOverlap"));
  exports.Set("addressSpaceFirstFault", Napi::Function::New<FirstFault>(env, "addressSpaceFirstFault"));
  exports.Set("addressSpaceRead", Napi::Function::New<Read>(env, "addressSpaceRead"));
  exports.Set("addressSpaceWrite", Napi::Function::New<Write>(env, "addressSpaceWrite"));
  exports.Set("addressSpaceView", Napi::Function::New<View>(env, "addressSpaceView"));
  exports.Set("addressSpaceEmptyViews", Napi::Function::New<EmptyViews>(env, "addressSpaceEmptyViews"));
  exports.Set("addressSpaceClose", Napi::Function::New<Close>(env, "addressSpaceClose"));
}

}  // namespace dma_streams
