#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "memory/mapping_table.h"
#include "util/byte_range.h"
#include "util/error.h"

namespace dma_streams {

// A mapping to make, and its result.
struct MapRequest {
  ByteRange range;
  Backing backing;
  bool writable = false;
  Result result = 0;
  // The host address of its first byte, after success.
  uint64_t address = 0;
};

// Guest memory that is mapped in this process. The derived classes decide where: a Reservation at base + GPA, RamBlocks
// wherever the kernel has placed the file.
//
// Every host address of guest memory comes from its table. It must not be used from several threads at once, except for
// the functions that say so. Other threads may share ownership.
class GuestMemory {
 public:
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  virtual ~GuestMemory() = default;

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

  // Tries each request, in order, and sets its result and address. Each file is examined once. A request that fails
  // changes nothing: as MappingTable::FindPlace and MappingTable::CheckFit do, or with what mmap says.
  virtual void Map(std::span<MapRequest> requests) = 0;

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
  virtual void DropPages(const Removal& removal) const = 0;
  // Makes the mappings inaccessible, unless other mappings or views use the same memory, and sets the results. On any
  // thread.
  virtual void Remove(std::span<Removal> removals) const = 0;
  // Forgets the mappings that were removed. The others are mapped as before, though private memory may have lost its
  // contents.
  virtual void EndRemoval(std::span<const Removal> removals) = 0;

  // Makes the addresses of a remnant, which no view can reach any longer, available again. Does nothing when there is
  // no remnant at this host address.
  virtual void EndRemnant(uint64_t address) = 0;

  // Copies. -EFAULT at a byte that is not mapped, or not backed; -EACCES when writing what is read-only. `done` says
  // how many bytes before it were copied; of a write they stay written.
  Result Read(uint64_t gpa, void* to, size_t length, size_t& done) const;
  Result Write(uint64_t gpa, const void* from, size_t length, size_t& done);

 protected:
  explicit GuestMemory(MappingTable table) : table_(std::move(table)) {}

  MappingTable table_;
};

}  // namespace dma_streams
