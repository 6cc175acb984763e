#include <sys/mman.h>

#include "memory/area_count.h"
#include "memory/host_address.h"
#include "memory/host_pages.h"
#include "memory/reservation.h"

namespace dma_streams {

namespace {

// The most mappings that one call removes. Other threads cannot touch memory for the first time while it runs.
constexpr size_t kLongestRun = 256;

}  // namespace

void Reservation::DropPages(const Removal& removal) const {
  if (removal.result == 0) {
    dma_streams::DropPages({removal.address, removal.address + removal.range.length()});
  }
}

void Reservation::Remove(std::span<Removal> removals) const {
  for (size_t start = 0, end = 0; start < removals.size(); start = end) {
    end = start + 1;
    while (end < removals.size() && end - start < kLongestRun && removals[end].follows) {
      ++end;
    }
    RemoveRun(removals.subspan(start, end - start));
    // After a failure, the rest of the same row is not tried.
    const Removal& last = removals[end - 1];
    for (; last.result < 0 && end < removals.size() && removals[end].row == last.row; ++end) {
      removals[end].result = last.result;
    }
  }
}

// Replaces a mapping by memory of zeros, for views that may still be used.
Result Reservation::MapZeros(ByteRange addresses) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return ::mmap(Pointer(addresses.start), addresses.length(), PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED
             ? LastError()
             : 0;
}

// Removes mappings that follow each other with one call, if possible. The gaps between them stay inaccessible.
void Reservation::RemoveRun(std::span<Removal> run) const {
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
  MappingTable::Unused unused;
  table_.EndRemoval(removals, unused);
  for (const uint64_t address : unused.blocks) {
    blocks_.Give(address);
  }
  for (const uint64_t address : unused.remnants) {
    EndRemnant(address);
  }
}

void Reservation::EndRemnant(uint64_t address) {
  ByteRange addresses;
  if (!table_.FindRemnant(address, addresses) || MapInaccessible(*empty_file_, addresses, MAP_FIXED) < 0) {
    return;  // Where the call fails, it stays as it is.
  }
  if (!table_.ForgetRemnant(address)) {
    blocks_.Give(address);
  }
}

void Reservation::UnmapRemnant(ByteRange addresses) {
  ::munmap(Pointer(addresses.start), addresses.length());
  AddAreas(-1);
}

}  // namespace dma_streams
