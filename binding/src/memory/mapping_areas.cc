#include "memory/area_count.h"
#include "memory/mapping_table.h"

// How many memory areas a reservation makes of the process, as the kernel counts them (vm.max_map_count).
//
// The run of addresses consists of pieces: mappings, remnants of zeros, and what is inaccessible in between. Neighbours
// are one area when they are of one open file, at offsets that adjoin, and mapped alike; what is inaccessible always
// is. Private memory and zeros are counted one by one: the kernel joins them or not, by which of their pages were
// touched when.

namespace dma_streams {

void MappingTable::CountAreas(int64_t areas) {
  areas_ += areas;
  AddAreas(areas);
}

bool MappingTable::IsInPlace(Mappings::const_iterator mapping) const {
  return mapping->second.address == base_ + mapping->first;
}

MappingTable::Piece MappingTable::PieceOf(uint64_t start, const Mapping& mapping) {
  const uint64_t kind = mapping.device != nullptr ? 0 : mapping.area_kind ^ (mapping.writable ? 0 : 2);
  return {{mapping.address, mapping.address + (mapping.end - start)}, kind, mapping.offset};
}

MappingTable::Piece MappingTable::ZerosOf(ByteRange addresses) {
  return {addresses, 0, 0};
}

bool MappingTable::Join(const Piece& before, const Piece& after) {
  return before.kind == after.kind && before.kind > 2 && before.addresses.end == after.addresses.start &&
         before.offset + before.addresses.length() == after.offset;
}

// The last piece that ends at the address; false when there is none.
bool MappingTable::PieceBefore(uint64_t address, bool with_removing, Piece& found) const {
  if (address <= base_) {
    return false;
  }
  auto mapping = mappings_.lower_bound(address - base_);
  if (mapping != mappings_.begin() && std::prev(mapping)->second.end == address - base_) {
    mapping = std::prev(mapping);
    if (IsInPlace(mapping) && (with_removing || !mapping->second.removing)) {
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
bool MappingTable::PieceAfter(uint64_t address, bool with_removing, Piece& found) const {
  const auto mapping = mappings_.find(address - base_);
  if (mapping != mappings_.end() && IsInPlace(mapping) && (with_removing || !mapping->second.removing)) {
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
int64_t MappingTable::AreasOf(const Piece& piece, bool with_removing) const {
  int64_t areas = 0;
  Piece neighbour;
  if (PieceBefore(piece.addresses.start, with_removing, neighbour)) {
    areas -= Join(neighbour, piece) ? 1 : 0;
  } else if (piece.addresses.start > base_) {
    areas += 1;
  }
  if (PieceAfter(piece.addresses.end, with_removing, neighbour)) {
    areas -= Join(piece, neighbour) ? 1 : 0;
  } else if (piece.addresses.end < base_ + size_) {
    areas += 1;
  }
  return areas;
}

// How many areas there will be more without the mapping, as if all that is being taken away were gone.
int64_t MappingTable::Growth(Mappings::const_iterator mapping, bool keep_readable) const {
  if (!IsInPlace(mapping)) {
    return 0;
  }
  const Piece piece = PieceOf(mapping->first, mapping->second);
  const int64_t with = AreasOf(piece, false);
  return (keep_readable ? AreasOf(ZerosOf(piece.addresses), false) : 0) - with;
}

}  // namespace dma_streams
