#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "memory/host_blocks.h"
#include "memory/mapping_table.h"
#include "util/byte_range.h"
#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// One contiguous range of host virtual addresses, reserved as a whole, in which guest memory is mapped at base + GPA.
// Where a view of earlier memory may still be used, a new mapping is displaced (see MappingTable).
//
// Addresses without a mapping are inaccessible (PROT_NONE), and are not unmapped before the end. So no other code of
// the process can map memory between them, and MAP_FIXED is safe inside.
//
// It must not be used from several threads at once, except for the functions that say so. Other threads may share
// ownership: the addresses stay reserved until the last owner releases them, and the memory of a view until no view can
// reach it any longer.
class Reservation {
 public:
  static Result Create(uint64_t size, std::shared_ptr<Reservation>& out);
  Reservation(uint64_t base, uint64_t size, std::unique_ptr<FileDescriptor> empty_file)
      : empty_file_(std::move(empty_file)), blocks_(*empty_file_), table_(base, size) {}
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation();

  uint64_t base() const {
    return table_.base();
  }
  uint64_t size() const {
    return table_.size();
  }

  // Which guest memory is mapped where.
  const MappingTable& table() const {
    return table_;
  }
  // See MappingTable.
  template <typename Step>
  void ForEachMapping(ByteRange range, Step step) {
    table_.ForEachMapping(range, std::move(step));
  }

  // Maps. Fails as MappingTable::FindPlace and MappingTable::CheckFit do, or with what mmap says. On failure nothing is
  // mapped.
  Result Map(ByteRange range, const Backing& backing, bool writable);
  // The last step of Map, after those two checks. It maps neighbours with one call: each begins where the one before it
  // ends, in the file too, and `first` is the mapping of the first. None of several may be displaced.
  Result MapNeighbours(std::span<const ByteRange> ranges, const Mapping& first, const Backing& backing);

  // Removes every mapping inside. -EINVAL when the range cuts one: then nothing is removed. Mappings that are being
  // removed already are left alone. Views must have been emptied.
  Result Release(ByteRange range);
  // The steps of Release, for many ranges, and for another thread.
  //
  // The first marks every mapping inside the range, which must cut none (see MappingTable::CanRemove).
  void BeginRemoval(ByteRange range, size_t row, std::vector<Removal>& removals) {
    table_.BeginRemoval(range, row, removals);
  }
  // Frees the pages of the mapping, a few at a time, so that other threads are not blocked for long. It makes Remove
  // fast. On any thread.
  static void DropPages(const Removal& removal);
  // Makes the mappings inaccessible, or readable as zeros, and sets the results. On any thread.
  void Remove(std::span<Removal> removals) const;
  // Forgets the mappings that were removed. The others are mapped as before, though private memory may have lost its
  // contents.
  void EndRemoval(std::span<const Removal> removals);

  // Makes the addresses of a remnant, which no view can reach any longer, available again. Does nothing when there is
  // no remnant at this host address.
  void EndRemnant(uint64_t address);
  // The same once the reservation has ended.
  static void UnmapRemnant(ByteRange addresses);

  // Copies. -EFAULT at a byte that is not mapped, or not backed; -EACCES when writing what is read-only. `done` says
  // how many bytes before it were copied; of a write they stay written.
  Result Read(uint64_t gpa, void* to, size_t length, size_t& done) const;
  Result Write(uint64_t gpa, const void* from, size_t length, size_t& done);

 private:
  static Result MapZeros(ByteRange addresses);
  static Result Rehearse(ByteRange range, const Backing& backing, int protection);
  void RemoveRun(std::span<Removal> run) const;

  // The empty file that inaccessible addresses are mapped from.
  const std::unique_ptr<FileDescriptor> empty_file_;
  HostBlocks blocks_;
  MappingTable table_;
};

}  // namespace dma_streams
