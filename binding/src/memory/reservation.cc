#include "memory/reservation.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstring>

#include "memory/area_count.h"
#include "memory/host_address.h"
#include "util/job_thread.h"

// Of <linux/prctl.h> since 5.17; older headers lack them, and older kernels refuse the call, which only costs the name.
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

namespace dma_streams {

namespace {

// A guest address and its host address have the same offset in a page of 1 GiB, so that pages of every size fit.
constexpr uint64_t kAlignment = uint64_t{1} << 30;
constexpr const char* kName = "dma-streams";

// A reservation with more mapped memory than this is unmapped on another thread.
constexpr uint64_t kMostAtOnce = uint64_t{4} << 20;

// The memory areas of a block for a displaced mapping: the mapping, and an inaccessible rest.
constexpr int64_t kAreasOfABlock = 2;

void Unmap(ByteRange addresses) {
  if (addresses.length() > 0) {
    ::munmap(Pointer(addresses.start), addresses.length());
  }
}

void Name(uint64_t address, uint64_t length, const std::string& name) {
  ::prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, address, length, name.c_str());
}

}  // namespace

Result Reservation::Create(uint64_t size, std::shared_ptr<Reservation>& out) {
  if (size == 0 || size % kPageSize != 0) {
    return -EINVAL;
  }
  if (size > (uint64_t{1} << 62)) {
    return -ENOMEM;
  }
  // An empty file, only to carry the name: every kernel shows it in /proc/self/maps.
  const int fd = ::memfd_create(kName, MFD_CLOEXEC);
  if (fd < 0) {
    return LastError();
  }
  auto empty_file = std::make_unique<FileDescriptor>(fd);
  const uint64_t asked = size + kAlignment;
  void* address = ::mmap(nullptr, asked, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    return LastError();
  }
  const uint64_t start = Address(address);
  const uint64_t base = (start + kAlignment - 1) / kAlignment * kAlignment;
  if (base > start) {
    ::munmap(address, base - start);
  }
  if (start + asked > base + size) {
    ::munmap(Pointer(base + size), start + asked - base - size);
  }
  auto reservation = std::make_shared<Reservation>(base, size, std::move(empty_file));
  const Result result = MapInaccessible(*reservation->empty_file_, {base, base + size}, MAP_FIXED);
  if (result == 0) {
    out = std::move(reservation);
  }
  return result;
}

// Memory that a view may still reach stays mapped; UnmapRemnant unmaps it later. When an address space was collected
// without being closed, there can be much memory to free, which is done on another thread.
Reservation::~Reservation() {
  MappingTable::Remnants reached = table_.remnants();
  uint64_t mapped = 0;
  for (const auto& [start, mapping] : table_.mappings()) {
    if (mapping.viewed != nullptr && mapping.viewed->in_use()) {
      reached.emplace(mapping.address, mapping.address + (mapping.end - start));
    } else {
      mapped += mapping.end - start;
    }
  }
  std::vector<ByteRange> unused;
  std::vector<ByteRange> all = blocks_.all();
  all.push_back({base(), base() + size()});
  for (ByteRange rest : all) {
    for (auto piece = reached.lower_bound(rest.start); piece != reached.end() && piece->first < rest.end; ++piece) {
      unused.push_back({rest.start, piece->first});
      rest.start = piece->second;
    }
    unused.push_back(rest);
  }
  auto give_back = [unused = std::move(unused), areas = static_cast<int64_t>(reached.size()) - table_.areas()] {
    for (const ByteRange& addresses : unused) {
      Unmap(addresses);
    }
    AddAreas(areas);
  };
  if (mapped > kMostAtOnce) {
    RunDetached(std::move(give_back));
  } else {
    give_back();
  }
}

Result Reservation::Map(ByteRange range, const Backing& backing, bool writable) {
  FileFacts file;
  Mapping mapping;
  Result result = table_.FindPlace(range);
  if (result == 0 && backing.fd >= 0) {
    result = FileFacts::Of(backing.fd, file);
  }
  if (result == 0) {
    result = MappingTable::CheckFit(range, backing, writable, file, mapping);
  }
  return result < 0 ? result : MapNeighbours({&range, 1}, mapping, backing);
}

Result Reservation::MapNeighbours(std::span<const ByteRange> ranges, const Mapping& first, const Backing& backing) {
  const ByteRange range = {ranges.front().start, ranges.back().end};
  const int protection = first.writable ? PROT_READ | PROT_WRITE : PROT_READ;
  if (backing.fd >= 0 && first.missing != MissingPages::kUnderStrictCommit) {
    const Result rehearsed = Rehearse(range, backing, protection);
    if (rehearsed < 0) {
      return rehearsed;
    }
  }
  uint64_t place = base() + range.start;
  const bool displaced = table_.IsDisplaced(range);
  if (displaced) {
    const size_t blocks = blocks_.all().size();
    const Result taken = blocks_.Take(range.length(), base() + range.start, place);
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
    // After a fork, a write would copy the page, and this process and a device would no longer share it.
    ::madvise(Pointer(place), range.length(), MADV_DONTFORK);
    Name(place, range.length(), backing.name);
  }
  for (const ByteRange& one : ranges) {
    Mapping mapping = first;
    mapping.end = one.end;
    mapping.address = place + (one.start - range.start);
    mapping.offset = first.offset + (one.start - range.start);
    table_.Add(one.start, std::move(mapping));
  }
  return 0;
}

// Tries whether the file can be mapped with this protection, at an address outside of the reservation.
//
// With MAP_FIXED, mmap unmaps the old addresses before the file can refuse. A refusal leaves a hole in the reservation,
// into which other code of the process could map memory. A memfd of ordinary pages never refuses; for all other files
// the mapping is tried before.
Result Reservation::Rehearse(ByteRange range, const Backing& backing, int protection) {
  void* address =
      ::mmap(nullptr, range.length(), protection, MAP_SHARED, backing.fd, static_cast<off_t>(backing.offset));
  if (address == MAP_FAILED) {
    return LastError();
  }
  ::munmap(address, range.length());
  return 0;
}

}  // namespace dma_streams
