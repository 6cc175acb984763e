#include "memory/reservation.h"

#include <sys/mman.h>

#include "memory/area_count.h"
#include "memory/host_address.h"
#include "util/job_thread.h"

namespace dma_streams {

namespace {

// A guest address and its host address have the same offset in a page of 1 GiB, so that pages of every size fit.
constexpr uint64_t kAlignment = uint64_t{1} << 30;
constexpr const char* kName = "dma-streams";

// A reservation with more mapped memory than this is unmapped on another thread.
constexpr uint64_t kMostAtOnce = uint64_t{4} << 20;

void Unmap(ByteRange addresses) {
  if (addresses.length() > 0) {
    ::munmap(Pointer(addresses.start), addresses.length());
  }
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
  all.push_back({table_.base(), table_.base() + size()});
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

}  // namespace dma_streams
