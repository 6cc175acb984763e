#include "memory/ram_block.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "memory/area_count.h"
#include "memory/host_address.h"
#include "memory/host_pages.h"
#include "util/job_thread.h"

namespace dma_streams {

namespace {

static_assert(sizeof(off_t) == sizeof(uint64_t), "offsets in files beyond 2 GiB");

// A block that is longer is not unmapped on an event loop's thread.
constexpr uint64_t kMostAtOnce = uint64_t{4} << 20;

// Where the whole file cannot be mapped, a part of this length is tried, then of the next.
constexpr std::array<uint64_t, 3> kParts = {uint64_t{1} << 36, uint64_t{1} << 30, 1};

// How many addresses are left to the rest of the process, as far as it has that many.
constexpr uint64_t kReserve = uint64_t{1} << 30;

// An address at which pages of every size that fit can be used: it equals the offset modulo their size. It is only a
// proposal, for mmap without MAP_FIXED: another thread may map something there first.
void* Proposal(ByteRange part) {
  const uint64_t page = LargestPage(part.length());
  const uint64_t asked = part.length() + page;
  if (page == kPageSize) {
    return nullptr;
  }
  void* found = ::mmap(nullptr, asked, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) {
    return nullptr;
  }
  ::munmap(found, asked);
  return Pointer(Address(found) + (part.start - Address(found)) % page);
}

Result MapAnywhere(ByteRange part, int fd, bool writable, bool huge_pages, uint64_t& address) {
  if (!HasAreasFor(1)) {
    return -ENOMEM;
  }
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* place = ::mmap(Proposal(part), part.length(), protection, flags, fd, static_cast<off_t>(part.start));
  if (place == MAP_FAILED) {
    return LastError();
  }
  if (huge_pages) {
    ::madvise(place, part.length(), MADV_HUGEPAGE);  // Of what can have none, the kernel refuses it.
  }
  AddAreas(1);
  address = Address(place);
  return 0;
}

// Whether the process has enough addresses left when it uses this many: where they are limited (RLIMIT_AS), V8 ends the
// process when it gets none.
bool LeavesAddresses(uint64_t length) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return true;
  }
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const uint64_t used = pages * kPageSize + kReserve;
  return used <= limit.rlim_cur && length <= limit.rlim_cur - used;
}

ByteRange Round(ByteRange part, uint64_t unit) {
  return {part.start / unit * unit, (part.end + unit - 1) / unit * unit};
}

}  // namespace

Result RamBlock::OfFile(const FileFacts& file, const Wanted& wanted, std::shared_ptr<RamBlock>& out) {
  if (!file.is_regular) {
    return MapPart(file, wanted.asked, wanted, out);
  }
  const ByteRange most = Round(wanted.most, file.unit);
  ByteRange last = most;
  Result result = LeavesAddresses(most.length()) ? MapPart(file, most, wanted, out) : -ENOMEM;
  for (const uint64_t length : kParts) {
    const ByteRange around = Round(wanted.asked, std::max(length, file.unit));
    const ByteRange part = {std::max(most.start, around.start), std::min(most.end, around.end)};
    const bool is_least = length == kParts.back();
    if (result == -ENOMEM && part.length() < last.length() && HasAreasFor(1) &&
        (is_least || LeavesAddresses(part.length()))) {
      result = MapPart(file, part, wanted, out);
      last = part;
    }
  }
  return result;
}

Result RamBlock::MapPart(const FileFacts& file, ByteRange part, const Wanted& wanted, std::shared_ptr<RamBlock>& out) {
  bool writable = wanted.may_write;
  uint64_t address = 0;
  Result result = MapAnywhere(part, file.fd, writable, wanted.huge_pages, address);
  // A file that was opened for writing may still not be mapped so: one that can only be appended to, for instance.
  if ((result == -EACCES || result == -EPERM) && writable && !wanted.writable) {
    writable = false;
    result = MapAnywhere(part, file.fd, writable, wanted.huge_pages, address);
  }
  if (result < 0) {
    return result;
  }
  out = std::make_shared<RamBlock>(ByteRange{address, address + part.length()}, part, writable);
  out->missing_ = file.missing;
  out->device_ = file.device;
  return 0;
}

Result RamBlock::Private(uint64_t length, bool writable, const std::string& name, bool huge_pages,
                         std::shared_ptr<RamBlock>& out) {
  uint64_t address = 0;
  const Result result = MapAnywhere({0, length}, -1, writable, huge_pages, address);
  if (result == 0) {
    const ByteRange addresses = {address, address + length};
    PreparePrivate(addresses, name);
    out = std::make_shared<RamBlock>(addresses, ByteRange{0, length}, writable);
  }
  return result;
}

RamBlock::~RamBlock() {
  if (left_for_good_) {
    return;
  }
  auto unmap = [addresses = addresses_] {
    if (addresses.length() > kMostAtOnce) {
      DropPages(addresses);
    }
    // It can fail when the kernel has joined the block with a neighbour, and the process has as many memory areas as it
    // may have. Then the block stays, and stays counted.
    if (::munmap(Pointer(addresses.start), addresses.length()) == 0) {
      AddAreas(-1);
    }
  };
  if (addresses_.length() > kMostAtOnce && !IsJobThread()) {
    RunDetached(unmap);
  } else {
    unmap();
  }
}

}  // namespace dma_streams
