#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "file_descriptor.h"
#include "file_facts.h"
#include "util/arguments.h"
#include "util/error.h"

namespace dma_streams {

// One run of host virtual addresses, set aside whole, in which guest memory is mapped at base + GPA.
//
// What is not mapped is inaccessible (PROT_NONE), and never unmapped before the end: nothing foreign can settle in
// between, so MAP_FIXED inside is safe. Not for use from several threads, except that the life of the addresses may be
// shared (they stay reserved until the last owner lets go), and that const functions which say so may run on another
// one.
class Reservation {
 public:
  // What backs a mapping. Without a descriptor: private anonymous memory.
  struct Backing {
    int fd = -1;
    uint64_t offset = 0;
    // Of private memory, in /proc/self/maps.
    std::string name;
  };

  struct Mapping {
    uint64_t end = 0;
    bool writable = false;
    MissingPages missing = MissingPages::kNever;
    // It is being taken away: it can no longer be reached, and nothing else can be mapped there yet.
    bool leaving = false;
    // What lies between it and the one before it is being taken away with both: nothing can be mapped there meanwhile.
    bool takes_gap = false;
    // Set for what is not a regular file: its memory may only be reachable through the descriptor.
    std::shared_ptr<FileDescriptor> device;
    uint64_t offset = 0;
  };

  // A mapping that is being taken away.
  struct Removal {
    ByteRange range;
    // Of those that asked for it: the rest of what one of them asks for is left alone after a failure.
    size_t row = 0;
    // Something still holds a pointer: memory of zeros takes the place, until Vacate.
    bool keep_readable = false;
    // Between the one before and this one there is nothing, so that one call can take both.
    bool follows = false;
    Result result = 0;
  };

  static Result Create(uint64_t size, std::shared_ptr<Reservation>& out);
  Reservation(uint64_t base, uint64_t size, std::unique_ptr<FileDescriptor> nothing)
      : base_(base), size_(size), nothing_(std::move(nothing)) {}
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
  // ends, in the file too, and `first` is the mapping of the first.
  Result FindPlace(ByteRange range) const;
  static Result Fit(ByteRange range, uint64_t offset, bool writable, const FileFacts& file, Mapping& mapping);
  Result MapNeighbours(std::span<const ByteRange> ranges, const Mapping& first, const Backing& backing);

  // Takes away every mapping inside. -EINVAL when the range cuts one: then nothing is taken away. What is being taken
  // away already is left to whoever does that. For the flags see BeginRemoval.
  Result Release(ByteRange range, bool keep_readable, bool gaps_are_free = false);
  // The steps of Release, for many ranges, and for another thread.
  //
  // The first marks every mapping inside the range, which must cut none (see CanRemove). `gaps_are_free` says that
  // nobody holds a pointer to what is not mapped, so that it may be mapped anew.
  void BeginRemoval(ByteRange range, size_t row, bool keep_readable, bool gaps_are_free,
                    std::vector<Removal>& removals);
  // Gives back the pages of what is mapped there, a few at a time: what takes long is done then, and nobody else was
  // held up by it. On any thread.
  void DropPages(ByteRange range) const;
  // Makes them inaccessible, and sets their results. On any thread.
  void TakeAway(std::span<Removal> removals) const;
  // Forgets those that are gone. The others are mapped as before, though private memory may have lost its contents.
  void EndRemoval(std::span<const Removal> removals);
  // Puts PROT_NONE where nothing is mapped.
  void Vacate(ByteRange range);

  // How many memory areas the mappings of all reservations make of the process: vm.max_map_count limits them.
  static int64_t AreasInUse();

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
    Result Check(ByteRange range, bool writable);

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

 private:
  using Mappings = std::map<uint64_t, Mapping>;

  // The address of a byte of it.
  void* At(uint64_t offset) const;
  Mappings::const_iterator FirstOverlap(ByteRange range) const;
  Result MapNothing(ByteRange range, int how) const;
  Result MapZeros(ByteRange range) const;
  static Result Rehearse(ByteRange range, const Backing& backing, int protection);
  void CloseHole(ByteRange range) const;
  void TakeRunAway(std::span<Removal> run) const;
  void CountAreas(Mappings::const_iterator mapping, int64_t sign);
  template <typename Step>
  Result ForEachPiece(uint64_t gpa, size_t length, size_t& done, Step step) const;

  const uint64_t base_;
  const uint64_t size_;
  // The empty file that inaccessible addresses are mapped from.
  const std::unique_ptr<FileDescriptor> nothing_;
  Mappings mappings_;
  // Of AreasInUse: those of this one.
  int64_t areas_ = 0;
};

}  // namespace dma_streams
