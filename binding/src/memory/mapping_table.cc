#include "memory/mapping_table.h"

#include <utility>

#include "memory/area_count.h"

namespace dma_streams {

bool MappingTable::HasRemnant(ByteRange addresses) const {
  auto next = remnants_.upper_bound(addresses.start);
  if (next != remnants_.begin() && std::prev(next)->second > addresses.start) {
    return true;
  }
  return next != remnants_.end() && next->first < addresses.end;
}

bool MappingTable::IsDisplaced(ByteRange range) const {
  return !remnants_.empty() && HasRemnant({base_ + range.start, base_ + range.end});
}

Result MappingTable::CheckFit(ByteRange range, const Backing& backing, bool writable, const FileFacts& file,
                              Mapping& mapping) {
  const uint64_t offset = backing.offset;
  mapping.end = range.end;
  mapping.writable = writable;
  mapping.missing = file.missing;
  mapping.area_kind = file.area_kind(backing.file_number);
  if (file.is_private()) {
    return 0;
  }
  mapping.offset = offset;
  mapping.device = file.device;
  if (!file.is_regular) {
    return 0;
  }
  if (offset / kPageSize > file.pages || range.length() / kPageSize > file.pages - offset / kPageSize) {
    return -EFAULT;
  }
  if (writable && file.sealed_against_writing()) {
    return -EPERM;
  }
  // The kernel maps whole pages of the file, also where they reach over its neighbours: it is not asked for a part of
  // one.
  const bool fits = range.start % file.unit == 0 && range.length() % file.unit == 0 && offset % file.unit == 0;
  return fits ? 0 : -EINVAL;
}

Result MappingTable::FindPlace(ByteRange range) const {
  if (range.end > size_) {
    return -ERANGE;
  }
  // One search: where nothing overlaps, `next` is the first mapping behind the range.
  auto next = mappings_.upper_bound(range.start);
  if (next != mappings_.begin() && std::prev(next)->second.end > range.start) {
    --next;
  } else if (next == mappings_.end() || next->first >= range.end) {
    return next != mappings_.end() && next->second.removes_gap ? -EBUSY : 0;
  }
  return next->second.removing ? -EBUSY : -EEXIST;
}

MappingTable::Mappings::const_iterator MappingTable::FirstOverlap(ByteRange range) const {
  auto next = mappings_.upper_bound(range.start);
  if (next != mappings_.begin()) {
    const auto previous = std::prev(next);
    if (previous->second.end > range.start) {
      return previous;
    }
  }
  return next != mappings_.end() && next->first < range.end ? next : mappings_.end();
}

// Where the first mapping that overlaps begins, or the range, when there is none.
uint64_t MappingTable::StartOfFirst(ByteRange range) const {
  const auto first = FirstOverlap(range);
  return first == mappings_.end() ? range.start : first->first;
}

bool MappingTable::FindOverlap(ByteRange range, ByteRange& found) const {
  auto mapping = FirstOverlap(range);
  while (mapping != mappings_.end() && mapping->second.removing) {
    ++mapping;
  }
  if (mapping == mappings_.end() || mapping->first >= range.end) {
    return false;
  }
  found = {mapping->first, mapping->second.end};
  return true;
}

Result MappingTable::Check(ByteRange range, bool writable, uint64_t& at) const {
  at = range.start;
  for (auto mapping = FirstOverlap(range); at < range.end; ++mapping) {
    if (mapping == mappings_.end() || mapping->first > at || mapping->second.removing) {
      return -EFAULT;
    }
    if (writable && !mapping->second.writable) {
      return -EACCES;
    }
    at = mapping->second.end;
  }
  return 0;
}

Result MappingTable::Walk::Check(ByteRange range, bool writable, uint64_t& address) {
  const auto end = table_.mappings_.cend();
  // The mapping of the last range, or the one after it.
  for (int step = 0; step < 2 && next_ != end && next_->second.end <= range.start; ++step) {
    ++next_;
  }
  if (next_ == end || next_->first > range.start || next_->second.end <= range.start) {
    next_ = table_.FirstOverlap(range);
  }
  uint64_t at = range.start;
  for (auto mapping = next_; at < range.end; ++mapping) {
    if (mapping == end || mapping->first > at || mapping->second.removing) {
      return -EFAULT;
    }
    if (writable && !mapping->second.writable) {
      return -EACCES;
    }
    const uint64_t here = mapping->second.address + (at - mapping->first);
    if (at == range.start) {
      address = here;
    } else if (here != address + (at - range.start) || mapping->second.block != next_->second.block) {
      return -EADDRNOTAVAIL;
    }
    at = mapping->second.end;
  }
  return 0;
}

Result MappingTable::CanRemove(ByteRange range) const {
  Result result = 0;
  for (auto mapping = FirstOverlap(range); mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (mapping->first < range.start || mapping->second.end > range.end) {
      return -EINVAL;
    }
    if (mapping->second.removing) {
      result = -EBUSY;
    }
  }
  return result;
}

bool MappingTable::KeepsPages(ByteRange range) const {
  for (auto mapping = FirstOverlap(range); mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (mapping->second.missing == MissingPages::kPossible) {
      return false;
    }
  }
  return true;
}

void MappingTable::Add(uint64_t start, Mapping mapping) {
  const auto made = mappings_.emplace(start, std::move(mapping)).first;
  if (IsInPlace(made)) {
    CountAreas(AreasOf(PieceOf(made->first, made->second), true));
  }
}

void MappingTable::BeginRemoval(ByteRange range, size_t row, std::vector<Removal>& removals) {
  auto mapping = mappings_.lower_bound(range.start);
  for (; mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (mapping->second.removing) {
      continue;
    }
    Removal removal;
    removal.range = {mapping->first, mapping->second.end};
    removal.address = mapping->second.address;
    removal.row = row;
    removal.block = std::move(mapping->second.block);
    removal.keep_readable = is_reserved() && mapping->second.viewed != nullptr && mapping->second.viewed->in_use();
    removal.growth = Growth(mapping, removal.keep_readable);
    if (removal.growth > 0 && !HasAreasFor(growing_ + removal.growth)) {
      removal.result = -ENOMEM;
      removal.growth = 0;
    }
    growing_ += removal.growth;
    if (!removals.empty()) {
      const Removal& last = removals.back();
      removal.follows = Follows(last, mapping, removal);
      mapping->second.removes_gap = removal.follows && last.address + last.range.length() < removal.address;
    }
    mapping->second.removing = true;
    removals.push_back(std::move(removal));
  }
}

// Whether one system call can carry out both removals: `mapping`, of the second, is the next after that of the first.
bool MappingTable::Follows(const Removal& last, Mappings::const_iterator mapping, const Removal& removal) const {
  if (mapping == mappings_.begin() || last.result < 0 || removal.result < 0 ||
      removal.keep_readable != last.keep_readable) {
    return false;
  }
  const auto previous = std::prev(mapping);
  if (previous->first != last.range.start || !IsInPlace(previous) || !IsInPlace(mapping)) {
    return false;
  }
  const ByteRange gap = {last.address + last.range.length(), removal.address};
  return gap.length() == 0 || (!removal.keep_readable && !HasRemnant(gap));
}

void MappingTable::EndRemoval(std::span<const Removal> removals, Unused& unused) {
  auto mapping = mappings_.end();
  for (const Removal& removal : removals) {
    if (mapping == mappings_.end() || mapping->first != removal.range.start) {
      mapping = mappings_.find(removal.range.start);
    }
    growing_ -= removal.growth;
    if (removal.result < 0) {
      mapping->second.removing = false;
      mapping->second.removes_gap = false;
      ++mapping;
      continue;
    }
    const bool in_place = IsInPlace(mapping);
    if (in_place) {
      CountAreas(-AreasOf(PieceOf(mapping->first, mapping->second), true));
    }
    const ByteRange addresses = {removal.address, removal.address + removal.range.length()};
    const auto viewed = std::move(mapping->second.viewed);
    mapping = mappings_.erase(mapping);
    if (removal.keep_readable) {
      remnants_.emplace(addresses.start, addresses.end);
      if (in_place) {
        CountAreas(AreasOf(ZerosOf(addresses), true));
      }
      if (!viewed->in_use()) {
        unused.remnants.push_back(addresses.start);
      }
    } else if (!in_place) {
      unused.blocks.push_back(addresses.start);
    }
  }
}

bool MappingTable::FindRemnant(uint64_t address, ByteRange& found) const {
  const auto remnant = remnants_.find(address);
  if (remnant == remnants_.end()) {
    return false;
  }
  found = {remnant->first, remnant->second};
  return true;
}

bool MappingTable::ForgetRemnant(uint64_t address) {
  const auto remnant = remnants_.find(address);
  const ByteRange addresses = {remnant->first, remnant->second};
  remnants_.erase(remnant);
  const bool in_place = addresses.start >= base_ && addresses.end <= base_ + size_;
  if (in_place) {
    CountAreas(-AreasOf(ZerosOf(addresses), true));
  }
  return in_place;
}

}  // namespace dma_streams
