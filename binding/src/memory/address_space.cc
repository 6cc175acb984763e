#include "memory/address_space.h"

#include <atomic>
#include <map>
#include <utility>

#include "memory/release_job.h"
#include "util/job_thread.h"

namespace dma_streams {

namespace {

// The engine ends the process when asked for a longer buffer than it supports: 4 GiB in the oldest supported one.
constexpr uint64_t kLongestView = uint64_t{1} << 32;

std::atomic<uint64_t> next_id{0};

// The address spaces of this thread: each is made, used and destroyed on one thread.
thread_local std::map<uint64_t, const AddressSpace*> spaces;

// More mappings than these are forgotten on another thread.
constexpr size_t kMostAtOnce = 1024;

// The blocks end with the last owner of the memory, or of a view.
void EndBlocks(std::shared_ptr<GuestMemory> memory) {
  if (memory->table().mappings().size() > kMostAtOnce) {
    RunDetached([memory = std::move(memory)]() mutable { memory.reset(); });
  }
}

}  // namespace

AddressSpace::AddressSpace(std::shared_ptr<GuestMemory> memory)
    : id_(next_id++), memory_(std::move(memory)), views_(std::make_shared<MemoryViews>(memory_)) {
  spaces.emplace(id_, this);
}

AddressSpace::~AddressSpace() {
  spaces.erase(id_);
  if (memory_ != nullptr && !memory_->table().is_reserved()) {
    EndBlocks(std::move(memory_));
  }
}

std::shared_ptr<GuestMemory> AddressSpace::Find(uint64_t id) {
  const auto found = spaces.find(id);
  return found == spaces.end() ? nullptr : found->second->memory();
}

Result AddressSpace::Release(Napi::Env env, ByteRange range) {
  if (memory_ == nullptr) {
    return -EBADF;
  }
  const Result result = memory_->table().CanRemove(range);
  if (result < 0) {
    return result;
  }
  views_->Release(env, range);
  return memory_->Release(range);
}

Result AddressSpace::BeginRelease(Napi::Env env, ByteRange range, size_t row, std::vector<Removal>& removals) {
  const Result result = memory_->table().CanRemove(range);
  if (result == 0) {
    views_->Release(env, range);
    memory_->BeginRemoval(range, row, removals);
  }
  return result;
}

Napi::Value AddressSpace::View(Napi::Env env, ByteRange range) {
  Result result = -EBADF;
  uint64_t address = 0;
  if (memory_ != nullptr) {
    result = MappingTable::Walk(memory_->table()).Check(range, true, address);
    if (result == 0 && !memory_->table().KeepsPages(range)) {
      result = -EOPNOTSUPP;
    }
    if (result == 0 && range.length() > kLongestView) {
      result = -E2BIG;
    }
  }
  return result == 0 ? views_->Create(env, range, address) : Napi::Number::New(env, result);
}

// The addresses are unmapped when the last job on another thread has released them; those that a view can reach, when
// the view is freed.
void AddressSpace::Close(Napi::Env env) {
  if (memory_ == nullptr) {
    return;
  }
  const ByteRange everything = {0, memory_->size()};
  views_->Release(env, everything);
  if (!memory_->table().is_reserved()) {
    EndBlocks(std::move(memory_));
    return;
  }
  std::vector<Removal> removals;
  memory_->BeginRemoval(everything, 0, removals);
  ReleaseClosed(env, std::move(memory_), std::move(removals));
}

}  // namespace dma_streams
