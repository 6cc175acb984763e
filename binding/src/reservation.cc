#include "reservation.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstring>

#include "safe_copy.h"

// Of <linux/prctl.h> since 5.17; older headers lack them, and older kernels refuse the call, which only costs the name.
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

namespace dma_streams {

namespace {

// A guest address and its host address have the same offset in a 1 GiB page, so that pages of every size can be used.
constexpr uint64_t kAlignment = uint64_t{1} << 30;
constexpr const char* kName = "dma-streams";

void* Pointer(uint64_t address) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));  // NOLINT(performance-no-int-to-ptr)
}

uint64_t Address(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer);
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
  auto nothing = std::make_unique<FileDescriptor>(fd);
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
  auto reservation = std::make_shared<Reservation>(base, size, std::move(nothing));
  const Result result = reservation->MapNothing({0, size}, MAP_FIXED);
  if (result == 0) {
    out = std::move(reservation);
  }
  return result;
}

Reservation::~Reservation() {
  ::munmap(Pointer(base_), size_);
}

Result Reservation::Inspect(ByteRange range, const Backing& backing, Mapping& mapping) const {
  mapping.end = range.end;
  if (backing.fd < 0) {
    mapping.cannot_shrink = true;
    mapping.copies_plainly = true;
    return 0;
  }
  struct stat status{};
  if (::fstat(backing.fd, &status) != 0) {
    return LastError();
  }
  mapping.offset = backing.offset;
  if (!S_ISREG(status.st_mode)) {
    return FileDescriptor::Duplicate(backing.fd, mapping.device);
  }
  const uint64_t pages = (static_cast<uint64_t>(status.st_size) + kPageSize - 1) / kPageSize;
  if (backing.offset / kPageSize > pages || range.length() / kPageSize > pages - backing.offset / kPageSize) {
    return -EFAULT;
  }
  const int seals = ::fcntl(backing.fd, F_GET_SEALS);
  if (mapping.writable && seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0) {
    return -EPERM;
  }
  mapping.cannot_shrink = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
  // Of huge pages, one that somebody punches out may not be had again, seal or no seal.
  struct statfs file_system{};
  const bool huge = static_cast<uint64_t>(status.st_blksize) > kPageSize &&
                    (::fstatfs(backing.fd, &file_system) != 0 || file_system.f_type == HUGETLBFS_MAGIC);
  // The kernel maps whole pages of the file, also where they reach over its neighbours: it is not asked for a part of
  // one.
  const uint64_t unit = huge ? static_cast<uint64_t>(status.st_blksize) : kPageSize;
  if (range.start % unit != 0 || range.length() % unit != 0 || backing.offset % unit != 0) {
    return -EINVAL;
  }
  mapping.copies_plainly = mapping.cannot_shrink && !huge;
  return 0;
}

Result Reservation::Map(ByteRange range, const Backing& backing, bool writable) {
  if (range.end > size_) {
    return -ERANGE;
  }
  ByteRange other;
  if (FindOverlap(range, other)) {
    return -EEXIST;
  }
  Mapping mapping;
  mapping.writable = writable;
  const Result inspected = Inspect(range, backing, mapping);
  if (inspected < 0) {
    return inspected;
  }
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  if (backing.fd >= 0 && !mapping.copies_plainly) {
    const Result rehearsed = Rehearse(range, backing, protection);
    if (rehearsed < 0) {
      return rehearsed;
    }
  }
  const int flags = backing.fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* address = Pointer(base_ + range.start);
  if (::mmap(address, range.length(), protection, flags | MAP_FIXED, backing.fd, static_cast<off_t>(backing.offset)) ==
      MAP_FAILED) {
    const Result failure = LastError();
    CloseHole(range);
    return failure;
  }
  if (backing.fd < 0) {
    // After a fork, a write would part this process from what a device sees: it would copy the page.
    ::madvise(address, range.length(), MADV_DONTFORK);
    Name(base_ + range.start, range.length(), backing.name);
  }
  mappings_.emplace(range.start, std::move(mapping));
  return 0;
}

// Whether the file can be mapped so at all, tried where it harms nobody.
//
// mmap takes away what is there before it asks the file for its consent, and a refusal leaves a hole in the reservation
// in which something foreign could settle. Ordinary files are always willing; devices and huge pages are asked
// beforehand.
Result Reservation::Rehearse(ByteRange range, const Backing& backing, int protection) {
  void* address =
      ::mmap(nullptr, range.length(), protection, MAP_SHARED, backing.fd, static_cast<off_t>(backing.offset));
  if (address == MAP_FAILED) {
    return LastError();
  }
  ::munmap(address, range.length());
  return 0;
}

// Makes the range inaccessible, and reserved. Neighbours so made are one for the kernel: the offset runs with the
// address.
Result Reservation::MapNothing(ByteRange range, int how) const {
  void* address = Pointer(base_ + range.start);
  const auto offset = static_cast<off_t>(range.start);
  const int flags = MAP_PRIVATE | MAP_NORESERVE | how;
  return ::mmap(address, range.length(), PROT_NONE, flags, nothing_->get(), offset) == MAP_FAILED ? LastError() : 0;
}

// Memory of zeros, for those who still hold a pointer.
Result Reservation::MapZeros(ByteRange range) const {
  void* address = Pointer(base_ + range.start);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return ::mmap(address, range.length(), PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? LastError() : 0;
}

// Closes the hole that a refusal may have left; changes nothing where there is none.
void Reservation::CloseHole(ByteRange range) const {
  MapNothing(range, MAP_FIXED_NOREPLACE);
}

Result Reservation::Release(ByteRange range, bool keep_readable) {
  if (Cuts(range)) {
    return -EINVAL;
  }
  auto first = FirstOverlap(range);
  while (first != mappings_.end() && first->first < range.end) {
    const ByteRange piece = {first->first, first->second.end};
    const Result result = keep_readable ? MapZeros(piece) : MapNothing(piece, MAP_FIXED);
    if (result < 0) {
      return result;
    }
    first = mappings_.erase(first);
  }
  return 0;
}

void Reservation::Vacate(ByteRange range) {
  uint64_t at = range.start;
  for (auto next = FirstOverlap(range); at < range.end; ++next) {
    const bool none = next == mappings_.end() || next->first >= range.end;
    const uint64_t gap_end = none ? range.end : next->first;
    if (at < gap_end) {
      MapNothing({at, gap_end}, MAP_FIXED);
    }
    if (none) {
      return;
    }
    at = next->second.end;
  }
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

bool Reservation::FindOverlap(ByteRange range, ByteRange& found) const {
  const auto mapping = FirstOverlap(range);
  if (mapping == mappings_.end()) {
    return false;
  }
  found = {mapping->first, mapping->second.end};
  return true;
}

Result Reservation::Check(ByteRange range, bool writable, uint64_t& at) const {
  at = range.start;
  for (auto mapping = FirstOverlap(range); at < range.end; ++mapping) {
    if (mapping == mappings_.end() || mapping->first > at) {
      return -EFAULT;
    }
    if (writable && !mapping->second.writable) {
      return -EACCES;
    }
    at = mapping->second.end;
  }
  return 0;
}

Result Reservation::Walk::Check(ByteRange range, bool writable) {
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
    if (mapping == end || mapping->first > at) {
      return -EFAULT;
    }
    if (writable && !mapping->second.writable) {
      return -EACCES;
    }
    at = mapping->second.end;
  }
  return 0;
}

bool Reservation::Cuts(ByteRange range) const {
  for (auto mapping = FirstOverlap(range); mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (mapping->first < range.start || mapping->second.end > range.end) {
      return true;
    }
  }
  return false;
}

bool Reservation::CannotShrink(ByteRange range) const {
  for (auto mapping = FirstOverlap(range); mapping != mappings_.end() && mapping->first < range.end; ++mapping) {
    if (!mapping->second.cannot_shrink) {
      return false;
    }
  }
  return true;
}

// Calls `step(mapping's start, mapping, at, size, copied)` for each piece of [gpa, gpa + length) that lies in one
// mapping.
template <typename Step>
Result Reservation::ForEachPiece(uint64_t gpa, size_t length, size_t& done, Step step) const {
  done = 0;
  if (length > size_ || gpa > size_ - length) {
    return -ERANGE;
  }
  const uint64_t end = gpa + length;
  auto mapping = FirstOverlap({gpa, end});
  while (done < length) {
    const uint64_t at = gpa + done;
    if (mapping == mappings_.end() || mapping->first > at) {
      return -EFAULT;
    }
    const auto size = static_cast<size_t>(std::min(mapping->second.end, end) - at);
    size_t copied = 0;
    const Result result = step(mapping->first, mapping->second, at, size, copied);
    done += copied;
    if (result < 0) {
      return result;
    }
    ++mapping;
  }
  return 0;
}

Result Reservation::Read(uint64_t gpa, void* to, size_t length, size_t& done) const {
  return ForEachPiece(
      gpa, length, done, [&](uint64_t start, const Mapping& mapping, uint64_t at, size_t size, size_t& copied) {
        char* destination = static_cast<char*>(to) + (at - gpa);
        if (mapping.copies_plainly) {
          std::memmove(destination, Pointer(base_ + at), size);
          copied = size;
          return 0;
        }
        const Result result = CopyFromFragile(destination, base_ + at, size, copied);
        if (result == -EFAULT && mapping.device != nullptr) {
          return CopyFromDevice(mapping.device->get(), mapping.offset + (at - start), destination, size, copied);
        }
        return result;
      });
}

Result Reservation::Write(uint64_t gpa, const void* from, size_t length, size_t& done) {
  return ForEachPiece(
      gpa, length, done, [&](uint64_t start, const Mapping& mapping, uint64_t at, size_t size, size_t& copied) {
        const char* source = static_cast<const char*>(from) + (at - gpa);
        if (!mapping.writable) {
          return -EACCES;
        }
        if (mapping.copies_plainly) {
          std::memmove(Pointer(base_ + at), source, size);
          copied = size;
          return 0;
        }
        const Result result = CopyToFragile(base_ + at, source, size, copied);
        if (result == -EFAULT && mapping.device != nullptr) {
          return CopyToDevice(mapping.device->get(), mapping.offset + (at - start), source, size, copied);
        }
        return result;
      });
}

}  // namespace dma_streams
