#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "iommu/dma_runner.h"
#include "kvm/slot_table.h"
#include "kvm/vm.h"
#include "util/arguments.h"
#include "util/typed_array.h"

namespace dma_streams {

namespace {

std::shared_ptr<SlotTable> TableArgument(Arguments& args, size_t index) {
  return args.Handle<SlotTable>(index, "a table of memory slots");
}

// kvmSlotsCreate(vm, first, count, logDirtyPages): handle | -EBADF
Napi::Value Create(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmSlotsCreate");
  const uint32_t first = args.Uint32(1);
  const uint32_t count = args.Uint32(2);
  const bool log_dirty_pages = args.Boolean(3);
  const auto vm = VmArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  if (vm->shared() == nullptr) {
    return Number(info.Env(), -EBADF);
  }
  const uint32_t end = first + std::min(count, std::numeric_limits<uint32_t>::max() - first);
  return NewHandle(info.Env(), vm->NewTable({.first = first, .end = end}, log_dirty_pages));
}

// kvmSlotsRunner(slots): a function that runs rows (see iommu/dma_runner.h)
Napi::Value Runner(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmSlotsRunner");
  const auto table = TableArgument(args, 0);
  return args.ok() ? NewRunner(info.Env(), [table] { return SlotMapper(table); }) : args.Refused();
}

// kvmSlotsRowRunner(slots): a function that runs a single row
Napi::Value RowRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmSlotsRowRunner");
  const auto table = TableArgument(args, 0);
  return args.ok() ? NewRowRunner(info.Env(), [table] { return SlotMapper(table); }) : args.Refused();
}

// kvmSlotsFind(slots, gpa): the number of the slot that holds the address | -ENOENT
Napi::Value Find(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmSlotsFind");
  const uint64_t gpa = args.BigUint(1);
  const auto table = TableArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  uint32_t number = 0;
  return Number(info.Env(), table->Find(gpa, number) ? static_cast<int64_t>(number) : -ENOENT);
}

// kvmSlotsList(slots): for each slot, ascending: first page, page after the last, number
Napi::Value List(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmSlotsList");
  const auto table = TableArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  const auto slots = table->List();
  std::vector<double> list;
  for (const auto& [range, number] : slots) {
    list.insert(list.end(), {static_cast<double>(range.start >> kPageShift),
                             static_cast<double>(range.end >> kPageShift), static_cast<double>(number)});
  }
  return NewTypedArray<double>(info.Env(), list);
}

// kvmSlotsFree(slots): how many numbers are free
Napi::Value Free(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmSlotsFree");
  const auto table = TableArgument(args, 0);
  return args.ok() ? Number(info.Env(), table->FreeNumbers()) : args.Refused();
}

// kvmSlotsLogDirtyPages(slots, on): 0 | -errno
Napi::Value LogDirtyPages(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmSlotsLogDirtyPages");
  const bool on = args.Boolean(1);
  const auto table = TableArgument(args, 0);
  return args.ok() ? Number(info.Env(), table->LogDirtyPages(on)) : args.Refused();
}

// kvmSlotsTakeDirtyLog(slots, gpa): a Uint8Array with one bit a page | -errno
Napi::Value TakeDirtyLog(const Napi::CallbackInfo& info) {
  Arguments args(info, "kvmSlotsTakeDirtyLog");
  const uint64_t gpa = args.BigUint(1);
  const auto table = TableArgument(args, 0);
  if (!args.ok()) {
    return args.Refused();
  }
  std::vector<uint64_t> bits;
  const Result result = table->TakeDirtyLog(gpa, bits);
  if (result < 0) {
    return Number(info.Env(), result);
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(bits.data());
  return NewTypedArray<uint8_t>(info.Env(), {bytes, bits.size() * sizeof(bits[0])});
}

}  // namespace

void ExportKvmSlots(Napi::Env env, Napi::Object exports) {
  exports.Set("kvmSlotsCreate", Napi::Function::New<Create>(env, "kvmSlotsCreate"));
  exports.Set("kvmSlotsRunner", Napi::Function::New<Runner>(env, "kvmSlotsRunner"));
  exports.Set("kvmSlotsRowRunner", Napi::Function::New<RowRunner>(env, "kvmSlotsRowRunner"));
  exports.Set("kvmSlotsFind", Napi::Function::New<Find>(env, "kvmSlotsFind"));
  exports.Set("kvmSlotsList", Napi::Function::New<List>(env, "kvmSlotsList"));
  exports.Set("kvmSlotsFree", Napi::Function::New<Free>(env, "kvmSlotsFree"));
  exports.Set("kvmSlotsLogDirtyPages", Napi::Function::New<LogDirtyPages>(env, "kvmSlotsLogDirtyPages"));
  exports.Set("kvmSlotsTakeDirtyLog", Napi::Function::New<TakeDirtyLog>(env, "kvmSlotsTakeDirtyLog"));
}

}  // namespace dma_streams
