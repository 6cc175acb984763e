#include <sys/mman.h>

#include <algorithm>

#include "reservation.h"

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

Result Reservation::Release(ByteRange range, bool keep_readable, bool gaps_are_free) {
  if (CanRemove(range) == -EINVAL) {
    return -EINVAL;
  }
  std::vector<Removal> removals;
  BeginRemoval(range, 0, keep_readable, gaps_are_free, removals);
  TakeAway(removals);
  EndRemoval(removals);
  const auto failed =
      std::find_if(removals.begin(), removals.end(), [](const Removal& removal) { return removal.result < 0; });
  return failed == removals.end() ? 0 : failed->result;
}

void Reservation::BeginRemoval(ByteRange range, size_t row, bool keep_readable, bool gaps_are_free,
                               std::vector<Removal>& removals) {
  auto mapping = mappings_.lower_bound(range.start);
  for (; mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (mapping->second.leaving) {
      continue;
    }
    bool follows = false;
    if (!removals.empty() && mapping != mappings_.begin()) {
      const Removal& last = removals.back();
      follows = std::prev(mapping)->first == last.range.start && keep_readable == last.keep_readable &&
                (last.range.end == mapping->first || (gaps_are_free && !keep_readable));
    }
    mapping->second.leaving = true;
    mapping->second.takes_gap = follows && removals.back().range.end != mapping->first;
    removals.push_back({{mapping->first, mapping->second.end}, row, keep_readable, follows});
  }
}

void Reservation::DropPages(ByteRange range) const {
  for (uint64_t at = range.start; at < range.end; at += kDropStep) {
    const uint64_t length = std::min(kDropStep, range.end - at);
    void* address = At(at);
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

// What is between them is inaccessible, and stays so.
void Reservation::TakeRunAway(std::span<Removal> run) const {
  const auto replace = [this](ByteRange range, bool keep_readable) {
    return keep_readable ? MapZeros(range) : MapNothing(range, MAP_FIXED);
  };
  const Removal& first = run.front();
  if (run.size() > 1 && replace({first.range.start, run.back().range.end}, first.keep_readable) == 0) {
    return;
  }
  const Removal* failed = nullptr;
  for (Removal& removal : run) {
    removal.result = failed != nullptr && failed->row == removal.row ? failed->result
                                                                     : replace(removal.range, removal.keep_readable);
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
    if (removal.result < 0) {
      mapping->second.leaving = false;
      mapping->second.takes_gap = false;
      ++mapping;
    } else {
      CountAreas(mapping, -1);
      mapping = mappings_.erase(mapping);
    }
  }
}

}  // namespace dma_streams
