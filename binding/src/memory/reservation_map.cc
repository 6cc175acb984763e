#include <sys/mman.h>

#include "memory/host_address.h"
#include "memory/host_pages.h"
#include "memory/reservation.h"

namespace dma_streams {

namespace {

// The memory areas of a block for a displaced mapping: the mapping, and an inaccessible rest.
constexpr int64_t kAreasOfABlock = 2;

// Whether one call can map both. Not of a device: each of its mappings may have a limit of its own. Not of private
// memory, which has a name.
bool Adjoin(const MapRequest& before, const MapRequest& after, const Mapping& first) {
  return first.device == nullptr && after.backing.fd >= 0 && after.backing.fd == before.backing.fd &&
         after.backing.file_number == before.backing.file_number && after.writable == before.writable &&
         after.range.start == before.range.end && after.backing.offset == before.backing.offset + before.range.length();
}

}  // namespace

void Reservation::Map(std::span<MapRequest> requests) {
  FilesOfSet files;
  Neighbours waiting;
  const auto flush = [&] {
    if (!waiting.requests.empty()) {
      MapTogether(waiting);
      waiting.requests = {};
    }
  };
  for (size_t at = 0; at < requests.size(); ++at) {
    MapRequest& request = requests[at];
    const bool displaced = table_.IsDisplaced(request.range);
    if (displaced || waiting.requests.empty() || !Adjoin(requests[at - 1], request, waiting.first)) {
      flush();
    }
    FileFacts* file = nullptr;
    Mapping mapping;
    request.result = table_.FindPlace(request.range);
    if (request.result == 0) {
      request.result = files.Find(request.backing.fd, file);
    }
    if (request.result == 0) {
      request.result = file->Complete();
    }
    if (request.result == 0) {
      request.result = MappingTable::CheckFit(request.range, request.backing, request.writable, *file, mapping);
    }
    if (request.result < 0) {
      flush();
      continue;
    }
    if (waiting.requests.empty()) {
      waiting = {requests.subspan(at, 1), std::move(mapping)};
    } else {
      waiting.requests = {waiting.requests.data(), waiting.requests.size() + 1};
    }
    if (displaced) {
      flush();
    }
  }
  flush();
}

// Where one call for all fails, each is tried by itself.
void Reservation::MapTogether(const Neighbours& neighbours) {
  const Result result = MapOnce(neighbours);
  const bool together = neighbours.requests.size() == 1 || result == 0;
  for (size_t at = 0; at < neighbours.requests.size(); ++at) {
    MapRequest& request = neighbours.requests[at];
    if (together) {
      request.result = result;
    } else {
      Mapping mapping = neighbours.first;
      mapping.offset = request.backing.offset;
      request.result = MapOnce({neighbours.requests.subspan(at, 1), std::move(mapping)});
    }
  }
}

Result Reservation::MapOnce(const Neighbours& neighbours) {
  const Mapping& first = neighbours.first;
  const Backing& backing = neighbours.requests.front().backing;
  const ByteRange range = {neighbours.requests.front().range.start, neighbours.requests.back().range.end};
  const int protection = first.writable ? PROT_READ | PROT_WRITE : PROT_READ;
  if (backing.fd >= 0 && first.missing != MissingPages::kUnderStrictCommit) {
    const Result rehearsed = Rehearse(range.length(), backing, protection);
    if (rehearsed < 0) {
      return rehearsed;
    }
  }
  uint64_t place = table_.base() + range.start;
  const bool displaced = table_.IsDisplaced(range);
  if (displaced) {
    const size_t blocks = blocks_.all().size();
    const Result taken = blocks_.Take(range.length(), table_.base() + range.start, place);
    if (taken < 0) {
      return taken;
    }
    table_.CountAreas(kAreasOfABlock * static_cast<int64_t>(blocks_.all().size() - blocks));
  }
  const int flags = backing.fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  const ByteRange addresses = {place, place + range.length()};
  if (::mmap(Pointer(place), range.length(), protection, flags | MAP_FIXED, backing.fd,
             static_cast<off_t>(backing.offset)) == MAP_FAILED) {
    const Result failure = LastError();
    // A failed mmap may have left a hole, which this fills; where there is none, it changes nothing.
    MapInaccessible(*empty_file_, addresses, MAP_FIXED_NOREPLACE);
    if (displaced) {
      blocks_.Give(place);
    }
    return failure;
  }
  if (backing.fd < 0) {
    PreparePrivate(addresses, backing.name);
  }
  for (MapRequest& request : neighbours.requests) {
    Mapping mapping = first;
    mapping.end = request.range.end;
    mapping.address = request.address = place + (request.range.start - range.start);
    mapping.offset = first.offset + (request.range.start - range.start);
    table_.Add(request.range.start, std::move(mapping));
  }
  return 0;
}

// Tries whether the file can be mapped with this protection, at an address outside of the reservation.
//
// With MAP_FIXED, mmap unmaps the old addresses before the file can refuse. A refusal leaves a hole in the reservation,
// into which other code of the process could map memory. A memfd of ordinary pages never refuses; for all other files
// the mapping is tried before.
Result Reservation::Rehearse(uint64_t length, const Backing& backing, int protection) {
  void* address = ::mmap(nullptr, length, protection, MAP_SHARED, backing.fd, static_cast<off_t>(backing.offset));
  if (address == MAP_FAILED) {
    return LastError();
  }
  ::munmap(address, length);
  return 0;
}

}  // namespace dma_streams
