#include "kvm/slot_table.h"

#include <utility>

#include "uapi/kvm.h"
#include "util/job_thread.h"

namespace dma_streams {

namespace {

// Deleting more slots than these takes so long that another thread does it.
constexpr size_t kMostAtOnce = 16;

constexpr uint64_t kPagesOfWord = 64;

Result SetRegion(const FileDescriptor& vm, uint64_t gpa, const Slot& slot, uint64_t length, bool log_dirty_pages) {
  const uapi::KvmUserspaceMemoryRegion region{
      .slot = slot.number,
      .flags = (slot.writable ? 0 : uapi::kKvmMemReadonly) | (log_dirty_pages ? uapi::kKvmMemLogDirtyPages : 0),
      .guest_phys_addr = gpa,
      .memory_size = length,
      .userspace_addr = slot.va,
  };
  return ::ioctl(vm.get(), uapi::kKvmSetUserMemoryRegion, &region) < 0 ? LastError() : 0;
}

}  // namespace

SlotTable::~SlotTable() {
  Close();
}

Result SlotTable::Set(ByteRange range, uint64_t va, bool writable, std::shared_ptr<const void> memory) {
  Slot slot{.number = 0, .writable = writable, .length = range.length(), .va = va, .memory = std::move(memory)};
  const auto [vm, log_dirty_pages] = Kernel();
  if (vm == nullptr) {
    return -EBADF;
  }
  if (!numbers_->Take(window_, slot.number)) {
    return -ENOSPC;
  }
  Result result = SetRegion(*vm, range.start, slot, slot.length, log_dirty_pages);
  if (result == 0) {
    const std::lock_guard lock(mutex_);
    if (vm_ != nullptr) {
      if (log_dirty_pages_ != log_dirty_pages) {
        SetRegion(*vm, range.start, slot, slot.length, log_dirty_pages_);  // Switched meanwhile, by another thread.
      }
      slots_.insert_or_assign(range.start, std::move(slot));
      return 0;
    }
    // Closed meanwhile, by another thread.
    SetRegion(*vm, range.start, slot, 0, false);
    result = -EBADF;
  }
  numbers_->Give(slot.number);
  return result;
}

std::pair<std::shared_ptr<FileDescriptor>, bool> SlotTable::Kernel() const {
  const std::lock_guard lock(mutex_);
  return {vm_, log_dirty_pages_};
}

Result SlotTable::Delete(ByteRange range, uint64_t& deleted) {
  deleted = 0;
  const std::shared_ptr<FileDescriptor> vm = Kernel().first;
  std::vector<std::pair<uint64_t, Slot>> inside;
  Result result = vm == nullptr ? -EBADF : TakeOut(range, inside);
  for (const auto& [gpa, slot] : inside) {
    if (result == 0) {
      result = SetRegion(*vm, gpa, slot, 0, false);
    }
    if (result < 0) {
      Keep(gpa, slot.number);
      continue;
    }
    deleted += slot.length;
    Forget(gpa, slot.number);
    numbers_->Give(slot.number);
  }
  return result;
}

Result SlotTable::TakeOut(ByteRange range, std::vector<std::pair<uint64_t, Slot>>& inside) {
  const std::lock_guard lock(mutex_);
  const auto begin = slots_.lower_bound(range.start);
  if (begin != slots_.begin()) {
    const auto before = std::prev(begin);
    if (before->first + (before->second.length - 1) >= range.start) {
      return -EINVAL;
    }
  }
  const auto end = slots_.lower_bound(range.end);
  for (auto slot = begin; slot != end; ++slot) {
    if (slot->second.length > range.end - slot->first) {
      return -EINVAL;
    }
    if (slot->second.is_leaving) {
      return -EBUSY;
    }
  }
  for (auto slot = begin; slot != end; ++slot) {
    slot->second.is_leaving = true;
    inside.emplace_back(slot->first, slot->second);
  }
  return 0;
}

// A slot that could not be deleted.
void SlotTable::Keep(uint64_t gpa, uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto slot = slots_.find(gpa);
  if (slot != slots_.end() && slot->second.number == number) {
    slot->second.is_leaving = false;
  }
}

// Not when another thread has set a slot there meanwhile.
void SlotTable::Forget(uint64_t gpa, uint32_t number) {
  const std::lock_guard lock(mutex_);
  const auto slot = slots_.find(gpa);
  if (slot != slots_.end() && slot->second.number == number) {
    slots_.erase(slot);
  }
}

Result SlotTable::LogDirtyPages(bool on) {
  const std::lock_guard lock(mutex_);
  if (vm_ == nullptr) {
    return -EBADF;
  }
  log_dirty_pages_ = on;
  for (const auto& [gpa, slot] : slots_) {
    const Result result = slot.is_leaving ? 0 : SetRegion(*vm_, gpa, slot, slot.length, on);
    if (result < 0) {
      return result;
    }
  }
  return 0;
}

Result SlotTable::TakeDirtyLog(uint64_t gpa, std::vector<uint64_t>& bits) {
  const std::lock_guard lock(mutex_);
  if (vm_ == nullptr) {
    return -EBADF;
  }
  const auto slot = slots_.find(gpa);
  if (slot == slots_.end()) {
    return -ENOENT;
  }
  bits.assign((slot->second.length / kPageSize + kPagesOfWord - 1) / kPagesOfWord, 0);
  uapi::KvmDirtyLog log{
      .slot = slot->second.number, .padding = 0, .dirty_bitmap = reinterpret_cast<uintptr_t>(bits.data())};
  return ::ioctl(vm_->get(), uapi::kKvmGetDirtyLog, &log) < 0 ? LastError() : 0;
}

bool SlotTable::Find(uint64_t gpa, uint32_t& number) const {
  const std::lock_guard lock(mutex_);
  const auto after = slots_.upper_bound(gpa);
  if (after == slots_.begin()) {
    return false;
  }
  const auto& [start, slot] = *std::prev(after);
  number = slot.number;
  return gpa - start < slot.length;
}

std::vector<std::pair<ByteRange, uint32_t>> SlotTable::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<ByteRange, uint32_t>> list;
  list.reserve(slots_.size());
  for (const auto& [gpa, slot] : slots_) {
    list.emplace_back(ByteRange{gpa, gpa + slot.length}, slot.number);
  }
  return list;
}

uint32_t SlotTable::FreeNumbers() const {
  return numbers_->CountFree(window_);
}

bool SlotTable::is_empty() const {
  const std::lock_guard lock(mutex_);
  return slots_.empty();
}

// Nobody may use the memory any longer when its owners are released: either the slots were deleted, or the VM has
// ended, because its last descriptor was closed.
void SlotTable::Close() {
  std::shared_ptr<FileDescriptor> vm;
  Slots slots;
  {
    const std::lock_guard lock(mutex_);
    vm.swap(vm_);
    slots.swap(slots_);
  }
  if (slots.empty()) {
    return;
  }
  const bool is_large = slots.size() > kMostAtOnce;
  auto end = [vm = std::move(vm), slots = std::move(slots), numbers = numbers_]() mutable {
    for (const auto& [gpa, slot] : slots) {
      SetRegion(*vm, gpa, slot, 0, false);
      numbers->Give(slot.number);
    }
    vm.reset();
    slots.clear();
  };
  if (is_large) {
    RunDetached(std::move(end));
  } else {
    end();
  }
}

Result SlotMapper::Map(const DmaRequest& request) const {
  if (request.kind != RowKind::kMapVa) {
    return -EOPNOTSUPP;
  }
  return table_->Set({request.iova, request.iova + request.length}, request.va, request.writable, request.memory);
}

Result SlotMapper::Unmap(const DmaRequest& request, uint64_t& unmapped) const {
  const bool all = request.kind == RowKind::kUnmapAll;
  return table_->Delete(all ? ByteRange{0, UINT64_MAX} : ByteRange{request.iova, request.iova + request.length},
                        unmapped);
}

}  // namespace dma_streams
