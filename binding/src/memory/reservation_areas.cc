#include <sys/mman.h>

#include <atomic>

#include "memory/host_address.h"
#include "memory/reservation.h"

// How many memory areas a reservation makes of the process, as the kernel counts them (vm.max_map_count).
//
// The run of addresses consists of pieces: mappings, remnants of zeros, and what is inaccessible in between. Neighbours
// are one area when they are of one open file, at offsets that adjoin, and mapped alike; what is inaccessible always
// is. Private memory and zeros are counted one by one: the kernel joins them or not, by which of their pages were
// touched when.

namespace dma_streams {

namespace {

std::atomic<int64_t> areas_in_use{0};
std::atomic<int64_t> area_limit{INT64_MAX};

}  // namespace

int64_t Reservation::AreasInUse() {
  return areas_in_use;
}

void Reservation::LimitAreas(int64_t limit) {
  area_limit = limit;
}

void Reservation::AddAreas(int64_t areas) {
  areas_in_use += areas;
}

void Reservation::CountAreas(int64_t areas) {
  areas_ += areas;
  AddAreas(areas);
}

void Reservation::UnmapRemnant(ByteRange addresses) {
  ::munmap(Pointer(addresses.start), addresses.length());
  AddAreas(-1);
}

bool Reservation::HasAreasFor(int64_t growth) const {
  return growth <= 0 || areas_in_use + growing_ + growth <= area_limit;
}

bool Reservation::IsInPlace(Mappings::const_iterator mapping) const {
  return mapping->second.address == base_ + mapping->first;
}

Reservation::Piece Reservation::PieceOf(uint64_t start, const Mapping& mapping) {
  const uint64_t kind = mapping.device != nullptr ? 0 : mapping.area_kind ^ (mapping.writable ? 0 : 2);
  return {{mapping.address, mapping.address + (mapping.end - start)}, kind, mapping.offset};
}

Reservation::Piece Reservation::ZerosOf(ByteRange addresses) {
  return {addresses, 0, 0};
}

bool Reservation::Join(const Piece& before, const Piece& after) {
  return before.kind == after.kind && before.kind > 2 && before.addresses.end == after.addresses.start &&
         before.offset + before.addresses.length() == after.offset;
}

// The last piece that ends at the address; false when there is none.
bool Reservation::PieceBefore(uint64_t address, bool with_leaving, Piece& found) const {
  if (address <= base_) {
    return false;
  }
  auto mapping = mappings_.lower_bound(address - base_);
  if (mapping != mappings_.begin() && std::prev(mapping)->second.end == address - base_) {
    mapping = std::prev(mapping);
    if (IsInPlace(mapping) && (with_leaving || !mapping->second.leaving)) {
      found = PieceOf(mapping->first, mapping->second);
      return true;
    }
  }
  const auto remnant = remnants_.lower_bound(address);
  if (remnant != remnants_.begin() && std::prev(remnant)->second == address) {
    found = ZerosOf({std::prev(remnant)->first, address});
    return true;
  }
  return false;
}

// The piece that begins at the address; false when there is none.
bool Reservation::PieceAfter(uint64_t address, bool with_leaving, Piece& found) const {
  const auto mapping = mappings_.find(address - base_);
  if (mapping != mappings_.end() && IsInPlace(mapping) && (with_leaving || !mapping->second.leaving)) {
    found = PieceOf(mapping->first, mapping->second);
    return true;
  }
  const auto remnant = remnants_.find(address);
  if (remnant != remnants_.end()) {
    found = ZerosOf({remnant->first, remnant->second});
    return true;
  }
  return false;
}

// How many areas there are more because of a piece, which lies in what would else be inaccessible: itself, and what it
// cuts that into; less where it joins a neighbour, or leaves nothing beside it.
int64_t Reservation::AreasOf(const Piece& piece, bool with_leaving) const {
  int64_t areas = 0;
  Piece neighbour;
  if (PieceBefore(piece.addresses.start, with_leaving, neighbour)) {
    areas -= Join(neighbour, piece) ? 1 : 0;
  } else if (piece.addresses.start > base_) {
    areas += 1;
  }
  if (PieceAfter(piece.addresses.end, with_leaving, neighbour)) {
    areas -= Join(piece, neighbour) ? 1 : 0;
  } else if (piece.addresses.end < base_ + size_) {
    areas += 1;
  }
  return areas;
}

// How many areas there will be more without the mapping, as if all that is being taken away were gone.
int64_t Reservation::Growth(Mappings::const_iterator mapping, bool keep_readable) const {
  if (!IsInPlace(mapping)) {
    return 0;
  }
  const Piece piece = PieceOf(mapping->first, mapping->second);
  const int64_t with = AreasOf(piece, false);
  return (keep_readable ? AreasOf(ZerosOf(piece.addresses), false) : 0) - with;
}

}  // namespace dma_streams
