#include <sys/mman.h>

#include <algorithm>

#include "memory/host_address.h"
#include "memory/reservation.h"

// Of <linux/mman.h> since 5.18.
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

namespace dma_streams {

namespace {

// So much is given back at a time: other threads that touch memory for the first time wait no longer than that takes.
constexpr uint64_t kDropStep = uint64_t{4} << 20;

// So many mappings at most go with one call, during which nobody else can touch memory for the first time.
constexpr size_t kLongestRun = 256;

}  // namespace

Result Reservation::Release(ByteRange range) {
  if (CanRemove(range) == -EINVAL) {
    return -EINVAL;
  }
  std::vector<Removal> removals;
  BeginRemoval(range, 0, removals);
  TakeAway(removals);
  EndRemoval(removals);
  const auto failed =
      std::find_if(removals.begin(), removals.end(), [](const Removal& removal) { return removal.result < 0; });
  return failed == removals.end() ? 0 : failed->result;
}

void Reservation::BeginRemoval(ByteRange range, size_t row, std::vector<Removal>& removals) {
  auto mapping = mappings_.lower_bound(range.start);
  for (; mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (mapping->second.leaving) {
      continue;
    }
    Removal removal;
    removal.range = {mapping->first, mapping->second.end};
    removal.address = mapping->second.address;
    removal.row = row;
    removal.keep_readable = mapping->second.viewed != nullptr && mapping->second.viewed->in_use();
    removal.growth = Growth(mapping, removal.keep_readable);
    if (!HasAreasFor(removal.growth)) {
      removal.result = -ENOMEM;
      removal.growth = 0;
    }
    growing_ += removal.growth;
    if (!removals.empty() && mapping != mappings_.begin()) {
      const Removal& last = removals.back();
      const auto previous = std::prev(mapping);
      const ByteRange gap = {last.address + last.range.length(), removal.address};
      removal.follows = previous->first == last.range.start && last.result == 0 && removal.result == 0 &&
                        IsInPlace(previous) && IsInPlace(mapping) && removal.keep_readable == last.keep_readable &&
                        (gap.length() == 0 || (!removal.keep_readable && !HasRemnant(gap)));
      mapping->second.takes_gap = removal.follows && gap.length() > 0;
    }
    mapping->second.leaving = true;
    removals.push_back(removal);
  }
}

void Reservation::DropPages(const Removal& removal) {
  const uint64_t end = removal.address + removal.range.length();
  for (uint64_t at = removal.address; at < end && removal.result == 0; at += kDropStep) {
    const uint64_t length = std::min(kDropStep, end - at);
    void* address = Pointer(at);
    if (::madvise(address, length, MADV_DONTNEED) != 0 && ::madvise(address, length, MADV_DONTNEED_LOCKED) != 0) {
      return;  // A device's memory, for instance: it goes with the mapping.
    }
  }
}

void Reservation::TakeAway(std::span<Removal> removals) const {
  for (size_t start = 0, end = 0; start < removals.size(); start = end) {
    end = start + 1;
    while (end < removals.size() && end - start < kLongestRun && removals[end].follows) {
      ++end;
    }
    TakeRunAway(removals.subspan(start, end - start));
    // What is left of a row of which something failed is not tried.
    const Removal& last = removals[end - 1];
    for (; last.result < 0 && end < removals.size() && removals[end].row == last.row; ++end) {
      removals[end].result = last.result;
    }
  }
}

// Memory of zeros, for those who still hold a pointer.
Result Reservation::MapZeros(ByteRange addresses) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return ::mmap(Pointer(addresses.start), addresses.length(), PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED
             ? LastError()
             : 0;
}

// What is between them is inaccessible, and stays so.
void Reservation::TakeRunAway(std::span<Removal> run) const {
  const auto replace = [this](ByteRange addresses, bool keep_readable) {
    return keep_readable ? MapZeros(addresses) : MapInaccessible(*empty_file_, addresses, MAP_FIXED);
  };
  const Removal& first = run.front();
  const Removal& last = run.back();
  if (run.size() > 1 && replace({first.address, last.address + last.range.length()}, first.keep_readable) == 0) {
    return;
  }
  const Removal* failed = nullptr;
  for (Removal& removal : run) {
    if (removal.result == 0) {
      const ByteRange addresses = {removal.address, removal.address + removal.range.length()};
      removal.result =
          failed != nullptr && failed->row == removal.row ? failed->result : replace(addresses, removal.keep_readable);
    }
    if (removal.result < 0) {
      failed = &removal;
    }
  }
}

void Reservation::EndRemoval(std::span<const Removal> removals) {
  auto mapping = mappings_.end();
  for (const Removal& removal : removals) {
    if (mapping == mappings_.end() || mapping->first != removal.range.start) {
      mapping = mappings_.find(removal.range.start);
    }
    growing_ -= removal.growth;
    if (removal.result < 0) {
      mapping->second.leaving = false;
      mapping->second.takes_gap = false;
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
        EndRemnant(addresses.start);
      }
    } else if (!in_place) {
      blocks_.Give(addresses.start);
    }
  }
}

void Reservation::EndRemnant(uint64_t address) {
  const auto remnant = remnants_.find(address);
  if (remnant == remnants_.end()) {
    return;
  }
  const ByteRange addresses = {remnant->first, remnant->second};
  if (MapInaccessible(*empty_file_, addresses, MAP_FIXED) < 0) {
    return;  // It stays as it is.
  }
  remnants_.erase(remnant);
  if (addresses.start >= base_ && addresses.end <= base_ + size_) {
    CountAreas(-AreasOf(ZerosOf(addresses), true));
  } else {
    blocks_.Give(addresses.start);
  }
}

}  // namespace dma_streams
