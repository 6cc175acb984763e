#include "memory/area_count.h"
#include "memory/mapping_table.h"

// How many memory areas a reservation makes of the process, as the kernel counts them (vm.max_map_count).
//
// The addresses of a reservation consist of pieces: mappings, remnants of zeros, and inaccessible gaps. Neighbours are
// one area when they map the same open file, at adjoining offsets, with the same protection. A gap is always one area.
// Private memory and zeros are counted one by one: whether the kernel joins them depends on which of their pages were
// touched, and when.

namespace dma_streams {

void MappingTable::CountAreas(int64_t areas) {
  areas_ += areas;
  AddAreas(areas);
}

bool MappingTable::IsInPlace(Mappings::const_iterator mapping) const {
  return is_reserved() && mapping->second.address == base_ + mapping->first;
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

// How many areas a piece adds to the inaccessible gap in which it lies: itself, and one more when it splits the gap;
// one less for each neighbour that it joins, or when nothing of the gap is left.
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

// How many areas the removal of the mapping adds, as if everything that is being removed were gone.
int64_t MappingTable::Growth(Mappings::const_iterator mapping, bool keep_readable) const {
  if (!IsInPlace(mapping)) {
    return 0;
  }
  const Piece piece = PieceOf(mapping->first, mapping->second);
  const int64_t with = AreasOf(piece, false);
  return (keep_readable ? AreasOf(ZerosOf(piece.addresses), false) : 0) - with;
}

}  // namespace dma_streams
