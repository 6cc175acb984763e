#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "memory/file_facts.h"
#include "memory/viewed_memory.h"
#include "util/byte_range.h"
#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// What backs a mapping. Without a descriptor: private anonymous memory.
struct Backing {
  int fd = -1;
  uint64_t offset = 0;
  // See addressSpaceMap.
  uint64_t file_number = 0;
  // Of private memory, in /proc/self/maps.
  std::string name;
};

class RamBlock;

struct Mapping {
  uint64_t end = 0;
  // The host address of its first byte.
  uint64_t address = 0;
  bool writable = false;
  MissingPages missing = MissingPages::kNever;
  // It is being removed: it can no longer be reached, and nothing else can be mapped there yet.
  bool removing = false;
  // The gap between the mapping before and this one is being removed with both: nothing can be mapped there meanwhile.
  bool removes_gap = false;
  // Set for what is not a regular file: its memory may only be reachable through the descriptor.
  std::shared_ptr<FileDescriptor> device;
  uint64_t offset = 0;
  // Neighbours with the same number, at offsets that adjoin, are one memory area for the kernel. 0: never.
  uint64_t area_kind = 0;
  // The block in which it lies; null in a reservation.
  std::shared_ptr<RamBlock> block;
  // Set once a view was made of it.
  std::shared_ptr<ViewedMemory> viewed;
};

// A mapping that is being removed.
struct Removal {
  ByteRange range;
  // The host address of its first byte.
  uint64_t address = 0;
  // The row that asked for it. After a failure, the later removals of the same row are not tried.
  size_t row = 0;
  // A view of it may still be used: memory of zeros, a remnant, takes its place.
  bool keep_readable = false;
  // There is nothing between the removal before and this one, so that one system call can remove both.
  bool follows = false;
  // The share of the mapping in its block: the block is unmapped when nothing else uses it.
  std::shared_ptr<RamBlock> block;
  // Memory areas that it adds.
  int64_t growth = 0;
  // -ENOMEM when these would be too many: it stays.
  Result result = 0;
};

// Which guest memory is mapped, and at which host addresses. It makes no system call. It must not be used from several
// threads at once.
//
// In a reservation, a mapping of guest address G lies at base + G. Only where a view of earlier memory may still be
// used it is displaced: it lies in a block of addresses of its own. Without a reservation the base is 0, and each
// mapping lies in a RamBlock.
class MappingTable {
 public:
  // By the guest address of the first byte.
  using Mappings = std::map<uint64_t, Mapping>;
  // Memory of zeros that a view may still reach: the end by the start, both host addresses.
  using Remnants = std::map<uint64_t, uint64_t>;

  // `base` is the host address of guest address 0; 0 without a reservation.
  MappingTable(uint64_t base, uint64_t size) : base_(base), size_(size) {}

  uint64_t base() const {
    return base_;
  }
  uint64_t size() const {
    return size_;
  }
  // Whether the addresses are those of a reservation.
  bool is_reserved() const {
    return base_ != 0;
  }
  const Mappings& mappings() const {
    return mappings_;
  }
  const Remnants& remnants() const {
    return remnants_;
  }

  // Whether nothing is there. -ERANGE beyond the end, -EEXIST over a mapping, -EBUSY over one that is being removed.
  Result FindPlace(ByteRange range) const;
  // Whether the file can be mapped there; if so, describes the mapping, but for its address. -EFAULT beyond the end of
  // the file, -EPERM for writing what is sealed against it, -EINVAL for a part of a huge page.
  static Result CheckFit(ByteRange range, const Backing& backing, bool writable, const FileFacts& file,
                         Mapping& mapping);
  // Whether a new mapping of this range would be displaced.
  bool IsDisplaced(ByteRange range) const;

  // 0 when every byte is mapped (and writable, when asked for), -EFAULT or -EACCES at the first byte `at` that is not.
  Result Check(ByteRange range, bool writable, uint64_t& at) const;
  // The same for one range after another, without a search where each lies beside the last. Not for use after a change.
  class Walk {
   public:
    explicit Walk(const MappingTable& table) : table_(table), next_(table.mappings_.cbegin()) {}
    // `address` is the host address of the first byte. -EADDRNOTAVAIL when the mappings do not adjoin there, or are of
    // several blocks.
    Result Check(ByteRange range, bool writable, uint64_t& address);
    // The block of a range for which Check has just returned 0; null in a reservation.
    const std::shared_ptr<RamBlock>& block() const {
      return next_->second.block;
    }

   private:
    const MappingTable& table_;
    Mappings::const_iterator next_;
  };

  // The first mapping that overlaps, also one that is being removed; the end when there is none.
  Mappings::const_iterator FirstOverlap(ByteRange range) const;
  // The first mapping that overlaps, and is not being removed; false when there is none.
  bool FindOverlap(ByteRange range, ByteRange& found) const;
  // Whether no other process can take a page away from what is mapped in the range.
  bool KeepsPages(ByteRange range) const;
  // Calls `step(first byte, mapping)` for each that overlaps, and is not being removed.
  template <typename Step>
  void ForEachMapping(ByteRange range, Step step) {
    for (auto mapping = mappings_.lower_bound(StartOfFirst(range));
         mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
      if (!mapping->second.removing) {
        step(mapping->first, mapping->second);
      }
    }
  }

  void Add(uint64_t start, Mapping mapping);

  // -EINVAL when the range holds a part of a mapping, rather than the whole; -EBUSY when something in it is being
  // removed already.
  Result CanRemove(ByteRange range) const;
  // Marks every mapping inside the range, which must cut none, as being removed, and lists them. A removal that would
  // make more memory areas than there may be is listed with its result, and must not be carried out.
  void BeginRemoval(ByteRange range, size_t row, std::vector<Removal>& removals);
  // Host addresses that nothing uses any longer.
  struct Unused {
    std::vector<uint64_t> blocks;
    std::vector<uint64_t> remnants;
  };
  // Forgets the mappings that were removed. Those whose removal failed are mapped as before.
  void EndRemoval(std::span<const Removal> removals, Unused& unused);

  // The remnant that begins at this host address; false when there is none.
  bool FindRemnant(uint64_t address, ByteRange& found) const;
  // Forgets it. Returns whether it lay at base + G, rather than in a block.
  bool ForgetRemnant(uint64_t address);

  // Memory areas that this table, and the blocks beside it, make of the process (see area_count.h).
  int64_t areas() const {
    return areas_;
  }
  void CountAreas(int64_t areas);

 private:
  // Something that is mapped at base + G, as the kernel sees it.
  struct Piece {
    ByteRange addresses;
    uint64_t kind = 0;
    uint64_t offset = 0;
  };

  uint64_t StartOfFirst(ByteRange range) const;
  bool HasRemnant(ByteRange addresses) const;
  bool IsInPlace(Mappings::const_iterator mapping) const;
  bool Follows(const Removal& last, Mappings::const_iterator mapping, const Removal& removal) const;

  // See mapping_areas.cc.
  static Piece PieceOf(uint64_t start, const Mapping& mapping);
  static Piece ZerosOf(ByteRange addresses);
  static bool Join(const Piece& before, const Piece& after);
  bool PieceBefore(uint64_t address, bool with_removing, Piece& found) const;
  bool PieceAfter(uint64_t address, bool with_removing, Piece& found) const;
  int64_t AreasOf(const Piece& piece, bool with_removing) const;
  int64_t Growth(Mappings::const_iterator mapping, bool keep_readable) const;

  const uint64_t base_;
  const uint64_t size_;
  Mappings mappings_;
  Remnants remnants_;
  int64_t areas_ = 0;
  // Memory areas that removals under way add.
  int64_t growing_ = 0;
};

}  // namespace dma_streams
