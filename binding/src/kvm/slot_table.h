#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "iommu/dma_request.h"
#include "kvm/slot_numbers.h"
#include "util/byte_range.h"
#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// A memory slot of a VM.
struct Slot {
  uint32_t number = 0;
  bool writable = false;
  // A thread deletes it. No other call may change it: it would set it again.
  bool is_leaving = false;
  uint64_t length = 0;
  uint64_t va = 0;
  // KVM does not pin pages: the guest sees whatever is mapped at these addresses. So they stay reserved for this memory
  // as long as the slot exists.
  std::shared_ptr<const void> memory;
};

// The memory slots of a VM that were set through this table, by guest physical address. Their numbers are the lowest
// free ones of a window. When the table ends, it deletes its slots.
//
// Safe to use on any thread. Of two calls at the same time for overlapping ranges, the kernel refuses one.
class SlotTable {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a620009ULL};

  // `window`: the numbers that it may use.
  SlotTable(std::shared_ptr<FileDescriptor> vm, std::shared_ptr<SlotNumbers> numbers, SlotNumbers::Window window,
            bool log_dirty_pages)
      : vm_(std::move(vm)), numbers_(std::move(numbers)), window_(window), log_dirty_pages_(log_dirty_pages) {}
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;
  ~SlotTable();

  // 0 | -errno of KVM_SET_USER_MEMORY_REGION; -ENOSPC when no number is free.
  Result Set(ByteRange range, uint64_t va, bool writable, std::shared_ptr<const void> memory);
  // Deletes every slot inside the range, lowest first, up to the first failure. -EINVAL when the range cuts a slot, and
  // -EBUSY when another thread deletes one of them: then nothing is deleted. `deleted` is in bytes.
  Result Delete(ByteRange range, uint64_t& deleted);
  // Switches the log of written pages on or off, for all slots and those that follow. Up to the first failure.
  Result LogDirtyPages(bool on);
  // Gets and clears the log of the slot that begins at `gpa`: one bit a page. -ENOENT when there is no such slot.
  Result TakeDirtyLog(uint64_t gpa, std::vector<uint64_t>& bits);

  // The number of the slot that holds the address; false when none does.
  bool Find(uint64_t gpa, uint32_t& number) const;
  // The slots, ascending.
  std::vector<std::pair<ByteRange, uint32_t>> List() const;
  // How many numbers are free.
  uint32_t FreeNumbers() const;
  bool is_empty() const;
  // Deletes all slots, if necessary on another thread. From then on every call is refused with -EBADF.
  void Close();

 private:
  using Slots = std::map<uint64_t, Slot>;

  // The VM, null once closed, and whether new slots log written pages.
  std::pair<std::shared_ptr<FileDescriptor>, bool> Kernel() const;
  // The slots inside the range, which are leaving from now on.
  Result TakeOut(ByteRange range, std::vector<std::pair<uint64_t, Slot>>& inside);
  void Keep(uint64_t gpa, uint32_t number);
  void Forget(uint64_t gpa, uint32_t number);

  mutable std::mutex mutex_;
  std::shared_ptr<FileDescriptor> vm_;
  const std::shared_ptr<SlotNumbers> numbers_;
  const SlotNumbers::Window window_;
  bool log_dirty_pages_;
  Slots slots_;
};

// Maps into the slots of a table.
class SlotMapper : public DmaMapper {
 public:
  static constexpr bool kKeepsMemory = true;

  explicit SlotMapper(std::shared_ptr<SlotTable> table) : table_(std::move(table)) {}
  Result Map(const DmaRequest& request) const override;
  Result Unmap(const DmaRequest& request, uint64_t& unmapped) const override;

 private:
  const std::shared_ptr<SlotTable> table_;
};

}  // namespace dma_streams
