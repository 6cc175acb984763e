#include "memory/reservation.h"

// What is where in a reservation. Nothing here makes a system call.

namespace dma_streams {

bool Reservation::HasRemnant(ByteRange addresses) const {
  auto next = remnants_.upper_bound(addresses.start);
  if (next != remnants_.begin() && std::prev(next)->second > addresses.start) {
    return true;
  }
  return next != remnants_.end() && next->first < addresses.end;
}

bool Reservation::IsDisplaced(ByteRange range) const {
  return !remnants_.empty() && HasRemnant({base_ + range.start, base_ + range.end});
}

uint64_t Reservation::AddressOf(uint64_t start) const {
  const auto mapping = mappings_.find(start);
  return mapping == mappings_.end() ? 0 : mapping->second.address;
}

Result Reservation::FindPlace(ByteRange range) const {
  if (range.end > size_) {
    return -ERANGE;
  }
  const auto other = FirstOverlap(range);
  if (other == mappings_.end()) {
    const auto next = mappings_.lower_bound(range.start);
    return next != mappings_.end() && next->second.takes_gap ? -EBUSY : 0;
  }
  return other->second.leaving ? -EBUSY : -EEXIST;
}

Reservation::Mappings::const_iterator Reservation::FirstOverlap(ByteRange range) const {
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
uint64_t Reservation::StartOfFirst(ByteRange range) const {
  const auto first = FirstOverlap(range);
  return first == mappings_.end() ? range.start : first->first;
}

bool Reservation::FindOverlap(ByteRange range, ByteRange& found) const {
  auto mapping = FirstOverlap(range);
  while (mapping != mappings_.end() && mapping->second.leaving) {
    ++mapping;
  }
  if (mapping == mappings_.end() || mapping->first >= range.end) {
    return false;
  }
  found = {mapping->first, mapping->second.end};
  return true;
}

Result Reservation::Check(ByteRange range, bool writable, uint64_t& at) const {
  at = range.start;
  for (auto mapping = FirstOverlap(range); at < range.end; ++mapping) {
    if (mapping == mappings_.end() || mapping->first > at || mapping->second.leaving) {
      return -EFAULT;
    }
    if (writable && !mapping->second.writable) {
      return -EACCES;
    }
    at = mapping->second.end;
  }
  return 0;
}

Result Reservation::Walk::Check(ByteRange range, bool writable, uint64_t& address) {
  const auto end = reservation_.mappings_.cend();
  // The mapping of the last range, or the one after it.
  for (int step = 0; step < 2 && next_ != end && next_->second.end <= range.start; ++step) {
    ++next_;
  }
  if (next_ == end || next_->first > range.start || next_->second.end <= range.start) {
    next_ = reservation_.FirstOverlap(range);
  }
  uint64_t at = range.start;
  for (auto mapping = next_; at < range.end; ++mapping) {
    if (mapping == end || mapping->first > at || mapping->second.leaving) {
      return -EFAULT;
    }
    if (writable && !mapping->second.writable) {
      return -EACCES;
    }
    const uint64_t here = mapping->second.address + (at - mapping->first);
    if (at == range.start) {
      address = here;
    } else if (here != address + (at - range.start)) {
      return -EADDRNOTAVAIL;
    }
    at = mapping->second.end;
  }
  return 0;
}

Result Reservation::CanRemove(ByteRange range) const {
  Result result = 0;
  for (auto mapping = FirstOverlap(range); mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (mapping->first < range.start || mapping->second.end > range.end) {
      return -EINVAL;
    }
    if (mapping->second.leaving) {
      result = -EBUSY;
    }
  }
  return result;
}

bool Reservation::KeepsPages(ByteRange range) const {
  for (auto mapping = FirstOverlap(range); mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (mapping->second.missing == MissingPages::kPossible) {
      return false;
    }
  }
  return true;
}

}  // namespace dma_streams
