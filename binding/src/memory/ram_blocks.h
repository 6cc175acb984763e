#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "memory/guest_memory.h"
#include "memory/ram_block.h"
#include "util/byte_range.h"
#include "util/error.h"

namespace dma_streams {

// Guest memory as places in blocks. A file is mapped once, as much of it as possible; a mapping is a place in a block,
// which costs no system call. Private memory is a block of its own.
class RamBlocks : public GuestMemory {
 public:
  explicit RamBlocks(bool huge_pages) : GuestMemory(MappingTable(0, kSize)), huge_pages_(huge_pages) {}

  // All guest memory but the last page: the end of that, 2^64, cannot be told from 0.
  static constexpr uint64_t kSize = 0 - kPageSize;

  void Map(std::span<MapRequest> requests) override;

  // The pages go with the block.
  void DropPages(const Removal& /* removal */) const override {}
  void Remove(std::span<Removal> removals) const override;
  void EndRemoval(std::span<const Removal> removals) override;
  void EndRemnant(uint64_t /* address */) override {}

 private:
  // A regular file is known by its inode, whatever descriptor it comes with. Several devices can have one inode: they
  // are also known by the descriptor, and by the number of the file that it comes with.
  struct Key {
    uint64_t device_number;
    uint64_t inode;
    // -1 and 0 for a regular file.
    int fd;
    uint64_t file_number;
    auto operator<=>(const Key&) const = default;
  };
  // The blocks of a file. Those that nothing uses any longer are null pointers.
  struct File {
    // By their start in the file.
    std::multimap<uint64_t, std::weak_ptr<RamBlock>> blocks;
    uint64_t longest_block = 0;
    // The descriptor that was last found to be open for reading, the number of the file that it came with, and whether
    // it is open for writing, too.
    int known_fd = -1;
    uint64_t known_number = 0;
    bool known_writable = false;
  };
  // The file, and the block, of the last request of a set.
  struct Last {
    const FileFacts* facts = nullptr;
    uint64_t file_number = 0;
    bool may_write = false;
    std::shared_ptr<RamBlock> block;
  };

  Result MapOne(const MapRequest& request, FilesOfSet& files, Last& last, std::shared_ptr<RamBlock>& block);
  Result MakeBlock(const MapRequest& request, FileFacts& facts, File& file, std::shared_ptr<RamBlock>& block);
  static std::shared_ptr<RamBlock> FindBlock(File& file, ByteRange offsets, bool writable);
  static uint64_t EndOfBlockBefore(const File& file, uint64_t offset, bool writable);
  static bool MayAccess(File& file, FileFacts& facts, uint64_t file_number, bool writable);
  void ForgetEndedBlocks();

  const bool huge_pages_;
  std::map<Key, File> files_;
  // Blocks in `files_`, those that have ended included; and how many there may be before these are forgotten.
  size_t blocks_ = 0;
  size_t most_blocks_ = 64;
};

}  // namespace dma_streams
