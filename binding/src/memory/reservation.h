#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "memory/guest_memory.h"
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
// The addresses stay reserved until the last owner releases them, and the memory of a view until no view can reach it
// any longer.
class Reservation : public GuestMemory {
 public:
  static Result Create(uint64_t size, std::shared_ptr<Reservation>& out);
  Reservation(uint64_t base, uint64_t size, std::unique_ptr<FileDescriptor> empty_file)
      : GuestMemory(MappingTable(base, size)), empty_file_(std::move(empty_file)), blocks_(*empty_file_) {}
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() override;

  // Neighbours, both in guest memory and in the file, are mapped with one system call.
  void Map(std::span<MapRequest> requests) override;

  void DropPages(const Removal& removal) const override;
  void Remove(std::span<Removal> removals) const override;
  void EndRemoval(std::span<const Removal> removals) override;
  void EndRemnant(uint64_t address) override;
  // The same once the reservation has ended.
  static void UnmapRemnant(ByteRange addresses);

 private:
  // Requests that are mapped with one call: each begins where the one before it ends, in the file too. `first` is the
  // mapping of the first. None of several may be displaced.
  struct Neighbours {
    std::span<MapRequest> requests;
    Mapping first;
  };
  void MapTogether(const Neighbours& neighbours);
  Result MapOnce(const Neighbours& neighbours);
  static Result MapZeros(ByteRange addresses);
  static Result Rehearse(uint64_t length, const Backing& backing, int protection);
  void RemoveRun(std::span<Removal> run) const;

  // The empty file that inaccessible addresses are mapped from.
  const std::unique_ptr<FileDescriptor> empty_file_;
  HostBlocks blocks_;
};

}  // namespace dma_streams
