#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "file_descriptor.h"
#include "util/arguments.h"
#include "util/error.h"

namespace dma_streams {

// One run of host virtual addresses, set aside whole, in which guest memory is mapped at base + GPA.
//
// What is not mapped is inaccessible (PROT_NONE), and never unmapped before the end: nothing foreign can settle in
// between, so MAP_FIXED inside is safe. Not for use from several threads, except that base() and the life of the
// addresses may be shared: they stay reserved until the last owner lets go.
class Reservation {
 public:
  // What backs a mapping. Without a descriptor: private anonymous memory.
  struct Backing {
    int fd = -1;
    uint64_t offset = 0;
    // Of private memory, in /proc/self/maps.
    std::string name;
  };

  struct Mapping {
    uint64_t end = 0;
    bool writable = false;
    // Its file cannot shrink under it, so that no load from it can fault.
    bool cannot_shrink = false;
    // Loads and stores cannot fault: plain copies are safe.
    bool copies_plainly = false;
    // Set for what is not a regular file: its memory may only be reachable through the descriptor.
    std::shared_ptr<FileDescriptor> device;
    uint64_t offset = 0;
  };

  static Result Create(uint64_t size, std::shared_ptr<Reservation>& out);
  Reservation(uint64_t base, uint64_t size, std::unique_ptr<FileDescriptor> nothing)
      : base_(base), size_(size), nothing_(std::move(nothing)) {}
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation();

  uint64_t base() const {
    return base_;
  }
  uint64_t size() const {
    return size_;
  }

  // Maps. -ERANGE beyond the reservation, -EEXIST over another mapping, -EFAULT beyond the end of the file, -EPERM for
  // writing what is sealed against it, or what mmap says. On failure nothing is mapped.
  Result Map(ByteRange range, const Backing& backing, bool writable);
  // Takes away every mapping inside. -EINVAL when the range cuts one: then nothing is taken away.
  //
  // With `keep_readable`, memory of zeros takes the place until Vacate: something still holds a pointer.
  Result Release(ByteRange range, bool keep_readable);
  // Puts PROT_NONE where nothing is mapped.
  void Vacate(ByteRange range);

  // Copies. -EFAULT at a byte that is not mapped, or not backed; -EACCES when writing what is read-only. `done` says
  // how many bytes before it were copied; of a write they stay written.
  Result Read(uint64_t gpa, void* to, size_t length, size_t& done) const;
  Result Write(uint64_t gpa, const void* from, size_t length, size_t& done);

  // 0 when every byte is mapped (and writable, when asked for), -EFAULT or -EACCES at the first byte `at` that is not.
  Result Check(ByteRange range, bool writable, uint64_t& at) const;
  // The same for one range after another, without a search where each lies beside the last. Not for use after a change.
  class Walk {
   public:
    explicit Walk(const Reservation& reservation) : reservation_(reservation), next_(reservation.mappings_.cbegin()) {}
    Result Check(ByteRange range, bool writable);

   private:
    const Reservation& reservation_;
    std::map<uint64_t, Mapping>::const_iterator next_;
  };

  // Whether the range holds a part of a mapping, rather than the whole.
  bool Cuts(ByteRange range) const;
  // Whether no load from what is mapped in the range can fault because a file became shorter.
  bool CannotShrink(ByteRange range) const;
  // The first mapping that overlaps; false when there is none.
  bool FindOverlap(ByteRange range, ByteRange& found) const;

 private:
  using Mappings = std::map<uint64_t, Mapping>;

  Result Inspect(ByteRange range, const Backing& backing, Mapping& mapping) const;
  Mappings::const_iterator FirstOverlap(ByteRange range) const;
  Result MapNothing(ByteRange range, int how) const;
  Result MapZeros(ByteRange range) const;
  static Result Rehearse(ByteRange range, const Backing& backing, int protection);
  void CloseHole(ByteRange range) const;
  template <typename Step>
  Result ForEachPiece(uint64_t gpa, size_t length, size_t& done, Step step) const;

  const uint64_t base_;
  const uint64_t size_;
  // The empty file that inaccessible addresses are mapped from.
  const std::unique_ptr<FileDescriptor> nothing_;
  Mappings mappings_;
};

}  // namespace dma_streams
