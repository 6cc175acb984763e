#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "memory/file_facts.h"
#include "memory/host_blocks.h"
#include "memory/viewed_memory.h"
#include "util/byte_range.h"
#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// One run of host virtual addresses, set aside whole, in which guest memory is mapped at base + GPA. Where a view of
// earlier memory may still be used, a new mapping is displaced: it lies in a block of addresses of its own.
//
// What is not mapped is inaccessible (PROT_NONE), and never unmapped before the end: nothing foreign can settle in
// between, so MAP_FIXED inside is safe. Not for use from several threads, except that the life of the addresses may be
// shared (they stay reserved until the last owner lets go; what a view may still reach, until it cannot), and that
// const functions which say so may run on another one.
class Reservation {
 public:
  // What backs a mapping. Without a descriptor: private anonymous memory.
  struct Backing {
    int fd = -1;
    uint64_t offset = 0;
    // See addressSpaceMap.
    uint64_t file_number = 0;
    // Of private memory, in /proc/self/maps.
    std::string name;
  };

  struct Mapping {
    uint64_t end = 0;
    // The host address of its first byte.
    uint64_t address = 0;
    bool writable = false;
    MissingPages missing = MissingPages::kNever;
    // It is being taken away: it can no longer be reached, and nothing else can be mapped there yet.
    bool leaving = false;
    // What lies between it and the one before it is being taken away with both: nothing can be mapped there meanwhile.
    bool takes_gap = false;
    // Set for what is not a regular file: its memory may only be reachable through the descriptor.
    std::shared_ptr<FileDescriptor> device;
    uint64_t offset = 0;
    // Neighbours with the same number, at offsets that adjoin, are one memory area for the kernel. 0: never.
    uint64_t area_kind = 0;
    // Set once a view was made of it.
    std::shared_ptr<ViewedMemory> viewed;
  };

  // A mapping that is being taken away.
  struct Removal {
    ByteRange range;
    // The host address of its first byte.
    uint64_t address = 0;
    // Of those that asked for it: the rest of what one of them asks for is left alone after a failure.
    size_t row = 0;
    // A view of it may still be used: memory of zeros takes the place, a remnant.
    bool keep_readable = false;
    // Between the one before and this one there is nothing, so that one call can take both.
    bool follows = false;
    // Memory areas that it adds.
    int64_t growth = 0;
    // -ENOMEM when these would be too many: it stays.
    Result result = 0;
  };

  static Result Create(uint64_t size, std::shared_ptr<Reservation>& out);
  Reservation(uint64_t base, uint64_t size, std::unique_ptr<FileDescriptor> empty_file)
      : base_(base), size_(size), empty_file_(std::move(empty_file)), blocks_(*empty_file_) {}
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation();

  uint64_t base() const {
    return base_;
  }
  uint64_t size() const {
    return size_;
  }

  // Maps. -ERANGE beyond the reservation, -EEXIST over another mapping, -EBUSY over one that is being taken away,
  // -EFAULT beyond the end of the file, -EPERM for writing what is sealed against it, or what mmap says. On failure
  // nothing is mapped.
  Result Map(ByteRange range, const Backing& backing, bool writable);
  // The steps of Map. The first two tell whether it can be, and change nothing: whether the place is free, and whether
  // the file is such that it can be there. The third maps neighbours with one call: each begins where the one before it
  // ends, in the file too, and `first` is the mapping of the first. None of several may be displaced.
  Result FindPlace(ByteRange range) const;
  static Result Fit(ByteRange range, const Backing& backing, bool writable, const FileFacts& file, Mapping& mapping);
  Result MapNeighbours(std::span<const ByteRange> ranges, const Mapping& first, const Backing& backing);

  // Whether a mapping of this range would be displaced.
  bool IsDisplaced(ByteRange range) const;

  // Takes away every mapping inside. -EINVAL when the range cuts one: then nothing is taken away. What is being taken
  // away already is left to whoever does that. Views must have been emptied.
  Result Release(ByteRange range);
  // The steps of Release, for many ranges, and for another thread.
  //
  // The first marks every mapping inside the range, which must cut none (see CanRemove).
  void BeginRemoval(ByteRange range, size_t row, std::vector<Removal>& removals);
  // Gives back the pages of what is mapped there, a few at a time: what takes long is done then, and nobody else was
  // held up by it. On any thread.
  static void DropPages(const Removal& removal);
  // Makes them inaccessible, and sets their results. On any thread.
  void TakeAway(std::span<Removal> removals) const;
  // Forgets those that are gone. The others are mapped as before, though private memory may have lost its contents.
  void EndRemoval(std::span<const Removal> removals);

  // Nobody can reach the remnant at this host address any longer: the addresses may be used again. Nothing where there
  // is none.
  void EndRemnant(uint64_t address);
  // The same once the reservation has ended.
  static void UnmapRemnant(ByteRange addresses);

  // How many memory areas all reservations make of the process, as the kernel counts: vm.max_map_count limits them.
  static int64_t AreasInUse();
  // A removal that would need more is refused.
  static void LimitAreas(int64_t limit);

  // Copies. -EFAULT at a byte that is not mapped, or not backed; -EACCES when writing what is read-only. `done` says
  // how many bytes before it were copied; of a write they stay written.
  Result Read(uint64_t gpa, void* to, size_t length, size_t& done) const;
  Result Write(uint64_t gpa, const void* from, size_t length, size_t& done);

  // 0 when every byte is mapped (and writable, when asked for), -EFAULT or -EACCES at the first byte `at` that is not.
  Result Check(ByteRange range, bool writable, uint64_t& at) const;
  // The same for one range after another, without a search where each lies beside the last. Not for use after a change.
  class Walk {
   public:
    explicit Walk(const Reservation& reservation) : reservation_(reservation), next_(reservation.mappings_.cbegin()) {}
    // `address` is the host address of the first byte. -EADDRNOTAVAIL when the mappings do not adjoin there.
    Result Check(ByteRange range, bool writable, uint64_t& address);

   private:
    const Reservation& reservation_;
    std::map<uint64_t, Mapping>::const_iterator next_;
  };

  // -EINVAL when the range holds a part of a mapping, rather than the whole; -EBUSY when something in it is being taken
  // away already.
  Result CanRemove(ByteRange range) const;
  // Whether no other process can take a page away from what is mapped in the range.
  bool KeepsPages(ByteRange range) const;
  // The first mapping that overlaps, and is not being taken away; false when there is none.
  bool FindOverlap(ByteRange range, ByteRange& found) const;
  // The host address of a mapping that begins there; 0 when none does.
  uint64_t AddressOf(uint64_t start) const;
  // Calls `step(first byte, mapping)` for each that overlaps, and is not being taken away.
  template <typename Step>
  void ForEachMapping(ByteRange range, Step step) {
    for (auto mapping = mappings_.lower_bound(StartOfFirst(range));
         mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
      if (!mapping->second.leaving) {
        step(mapping->first, mapping->second);
      }
    }
  }

 private:
  using Mappings = std::map<uint64_t, Mapping>;

  // Something that is mapped in the run of addresses, as the kernel sees it.
  struct Piece {
    ByteRange addresses;
    uint64_t kind = 0;
    uint64_t offset = 0;
  };

  Mappings::const_iterator FirstOverlap(ByteRange range) const;
  uint64_t StartOfFirst(ByteRange range) const;
  bool HasRemnant(ByteRange addresses) const;
  static Result MapZeros(ByteRange addresses);
  static Result Rehearse(ByteRange range, const Backing& backing, int protection);
  template <typename Step>
  Result ForEachPiece(uint64_t gpa, size_t length, size_t& done, Step step) const;
  void TakeRunAway(std::span<Removal> run) const;

  // See reservation_areas.cc.
  bool IsInPlace(Mappings::const_iterator mapping) const;
  static Piece PieceOf(uint64_t start, const Mapping& mapping);
  static Piece ZerosOf(ByteRange addresses);
  static bool Join(const Piece& before, const Piece& after);
  bool PieceBefore(uint64_t address, bool with_leaving, Piece& found) const;
  bool PieceAfter(uint64_t address, bool with_leaving, Piece& found) const;
  int64_t AreasOf(const Piece& piece, bool with_leaving) const;
  int64_t Growth(Mappings::const_iterator mapping, bool keep_readable) const;
  void CountAreas(int64_t areas);
  // The same when there is no reservation any longer.
  static void AddAreas(int64_t areas);
  bool HasAreasFor(int64_t growth) const;

  const uint64_t base_;
  const uint64_t size_;
  // The empty file that inaccessible addresses are mapped from.
  const std::unique_ptr<FileDescriptor> empty_file_;
  HostBlocks blocks_;
  Mappings mappings_;
  // Memory of zeros that a view may still reach, by host address: its end.
  std::map<uint64_t, uint64_t> remnants_;
  // Of AreasInUse: those of this one.
  int64_t areas_ = 0;
  // Those that removals under way add.
  int64_t growing_ = 0;
};

}  // namespace dma_streams
