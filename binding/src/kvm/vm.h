#pragma once

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "kvm/slot_numbers.h"
#include "kvm/slot_table.h"
#include "util/file_descriptor.h"
#include "util/open_file.h"

namespace dma_streams {

struct KvmKind {
  static constexpr uint64_t kNumber = 7;
  static constexpr const char* kName = "an open /dev/kvm";
  static constexpr const char* kClose = "kvmClose";
};

struct KvmVmKind {
  static constexpr uint64_t kNumber = 8;
  static constexpr const char* kName = "a virtual machine";
  static constexpr const char* kClose = "kvmVmClose";
};

// The descriptor of a VM, and the tables of its memory slots. Slots stay when nothing else refers to their table.
class KvmVmFile : public OpenFile<KvmVmKind> {
 public:
  using OpenFile::OpenFile;

  // Not once closed.
  std::shared_ptr<SlotTable> NewTable(SlotNumbers::Window window, bool log_dirty_pages) {
    std::erase_if(tables_, [](const auto& table) { return table.use_count() == 1 && table->is_empty(); });
    return tables_.emplace_back(std::make_shared<SlotTable>(shared(), numbers_, window, log_dirty_pages));
  }
  // Deletes the slots of all tables.
  void Close() {
    OpenFile::Close();
    for (const auto& table : tables_) {
      table->Close();
    }
    tables_.clear();
  }

 private:
  const std::shared_ptr<SlotNumbers> numbers_ = std::make_shared<SlotNumbers>();
  std::vector<std::shared_ptr<SlotTable>> tables_;
};

// The argument as a VM; null, and a TypeError pending, when it is not one.
inline std::shared_ptr<KvmVmFile> VmArgument(Arguments& args, size_t index) {
  return args.Handle<KvmVmFile>(index, KvmVmKind::kName);
}

// The functions of /dev/kvm and of VMs.
void ExportKvm(Napi::Env env, Napi::Object exports);
void ExportKvmVm(Napi::Env env, Napi::Object exports);
// Those of memory slots.
void ExportKvmSlots(Napi::Env env, Napi::Object exports);

}  // namespace dma_streams
