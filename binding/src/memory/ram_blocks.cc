#include "memory/ram_blocks.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace dma_streams {

namespace {

// Offsets in files are signed. A mapping may end here.
constexpr uint64_t kOffsetLimit = uint64_t{1} << 63;

}  // namespace

static_assert(RamBlocks::kSize % kPageSize == 0 && RamBlocks::kSize + kPageSize == 0);

void RamBlocks::Map(std::span<MapRequest> requests) {
  FilesOfSet files;
  Last last;
  for (MapRequest& request : requests) {
    std::shared_ptr<RamBlock> block;
    request.result = MapOne(request, files, last, block);
    if (request.result < 0) {
      continue;
    }
    const uint64_t offset = request.backing.fd < 0 ? 0 : request.backing.offset;
    Mapping mapping;
    mapping.end = request.range.end;
    mapping.address = request.address = block->AddressOf(offset);
    mapping.writable = request.writable;
    mapping.missing = block->missing();
    mapping.device = block->device();
    mapping.offset = offset;
    mapping.block = std::move(block);
    table_.Add(request.range.start, std::move(mapping));
  }
}

// Finds the block that the mapping is a place in, or makes it.
Result RamBlocks::MapOne(const MapRequest& request, FilesOfSet& files, Last& last, std::shared_ptr<RamBlock>& block) {
  const auto& [fd, offset, file_number, name] = request.backing;
  FileFacts* facts = nullptr;
  Result result = table_.FindPlace(request.range);
  if (result == 0) {
    result = files.Find(fd, facts);
  }
  if (result < 0 || facts == nullptr) {
    return result;
  }
  if (facts->is_private()) {
    return RamBlock::Private(request.range.length(), request.writable, name, huge_pages_, block);
  }
  const uint64_t pages = request.range.length() / kPageSize;
  if (facts->is_regular && (offset / kPageSize > facts->pages || pages > facts->pages - offset / kPageSize)) {
    return -EFAULT;
  }
  if (request.range.length() > kOffsetLimit - offset) {
    return -EOVERFLOW;
  }
  const ByteRange offsets = {offset, offset + request.range.length()};
  if (last.facts == facts && last.file_number == file_number && last.block != nullptr &&
      last.block->Covers(offsets, request.writable) && (last.may_write || !request.writable)) {
    block = last.block;
    return 0;
  }
  const Key key = {facts->device_number, facts->inode, facts->is_regular ? -1 : fd,
                   facts->is_regular ? 0 : file_number};
  // A device without a number could be any: its blocks are not shared.
  File unknown;
  File& file = facts->is_regular || file_number != 0 ? files_[key] : unknown;
  block = FindBlock(file, offsets, request.writable);
  if (block == nullptr) {
    result = MakeBlock(request, *facts, file, block);
  } else if (!MayAccess(file, *facts, file_number, request.writable)) {
    result = -EACCES;
  }
  if (result < 0) {
    if (file.blocks.empty()) {
      files_.erase(key);
    }
    return result;
  }
  last = {facts, file_number, request.writable, block};
  ForgetEndedBlocks();
  return 0;
}

Result RamBlocks::MakeBlock(const MapRequest& request, FileFacts& facts, File& file, std::shared_ptr<RamBlock>& block) {
  const uint64_t offset = request.backing.offset;
  const ByteRange asked = {offset, offset + request.range.length()};
  Result result = facts.Complete();
  if (result == 0 && request.writable && facts.is_regular) {
    result = facts.sealed_against_writing() ? -EPERM : facts.can_write() ? 0 : -EACCES;
  }
  if (result < 0) {
    return result;
  }
  RamBlock::Wanted wanted{.asked = asked, .most = asked, .writable = request.writable, .may_write = request.writable};
  if (facts.is_regular) {
    wanted.may_write = facts.can_write() && !facts.sealed_against_writing();
    wanted.most = {EndOfBlockBefore(file, offset, wanted.may_write), facts.pages * kPageSize};
    wanted.huge_pages = huge_pages_;
  }
  result = RamBlock::OfFile(facts, wanted, block);
  if (result == 0) {
    const ByteRange part = block->part();
    file.blocks.emplace(part.start, block);
    file.longest_block = std::max(file.longest_block, part.length());
    ++blocks_;
  }
  return result;
}

std::shared_ptr<RamBlock> RamBlocks::FindBlock(File& file, ByteRange offsets, bool writable) {
  for (auto next = file.blocks.upper_bound(offsets.start); next != file.blocks.begin();) {
    --next;
    if (offsets.end - next->first > file.longest_block) {
      break;
    }
    std::shared_ptr<RamBlock> block = next->second.lock();
    if (block != nullptr && block->Covers(offsets, writable)) {
      return block;
    }
  }
  return nullptr;
}

// Where the last block ends that lies before the offset; 0 when there is none. What a file has grown by is mapped from
// there.
uint64_t RamBlocks::EndOfBlockBefore(const File& file, uint64_t offset, bool writable) {
  for (auto next = file.blocks.upper_bound(offset); next != file.blocks.begin();) {
    --next;
    const std::shared_ptr<RamBlock> block = next->second.lock();
    if (block != nullptr && block->part().end <= offset && block->Covers(block->part(), writable)) {
      return block->part().end;
    }
  }
  return 0;
}

// Whether the descriptor allows what a block allows that may have been made with another one. It is not looked at again
// while the same object comes with it.
bool RamBlocks::MayAccess(File& file, FileFacts& facts, uint64_t file_number, bool writable) {
  if (!facts.is_regular) {
    return true;
  }
  const bool is_known = file_number != 0 && file.known_fd == facts.fd && file.known_number == file_number;
  if (is_known && (file.known_writable || !writable)) {
    return true;
  }
  if (!facts.can_read() || (writable && !facts.can_write())) {
    return false;
  }
  file.known_fd = facts.fd;
  file.known_number = file_number;
  file.known_writable = facts.can_write();
  return true;
}

void RamBlocks::ForgetEndedBlocks() {
  if (blocks_ <= most_blocks_) {
    return;
  }
  blocks_ = 0;
  for (auto file = files_.begin(); file != files_.end();) {
    std::erase_if(file->second.blocks, [](const auto& entry) { return entry.second.expired(); });
    blocks_ += file->second.blocks.size();
    file = file->second.blocks.empty() ? files_.erase(file) : std::next(file);
  }
  most_blocks_ = std::max<size_t>(64, blocks_ * 2);
}

// On another thread, a long block is unmapped before this returns.
void RamBlocks::Remove(std::span<Removal> removals) const {
  for (Removal& removal : removals) {
    removal.block.reset();
  }
}

void RamBlocks::EndRemoval(std::span<const Removal> removals) {
  MappingTable::Unused none;
  table_.EndRemoval(removals, none);
}

}  // namespace dma_streams
