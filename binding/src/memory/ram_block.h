#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "memory/file_facts.h"
#include "util/byte_range.h"
#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// A part of a file, or private memory, that is mapped once, where the kernel likes. It neither moves nor changes. It is
// unmapped by its last owner: a mapping, a view, or a job that hands its addresses to the kernel.
//
// It can be shared by several threads.
class RamBlock {
 public:
  // What to map of a file. `asked` has to be in the block, `most` may be; both are offsets in the file.
  struct Wanted {
    ByteRange asked;
    ByteRange most;
    bool writable = false;
    // Whether the block may be writable.
    bool may_write = false;
    bool huge_pages = false;
  };

  // On failure nothing is mapped. -ENOMEM also when there would be too many memory areas (see area_count.h).
  static Result OfFile(const FileFacts& file, const Wanted& wanted, std::shared_ptr<RamBlock>& out);
  static Result Private(uint64_t length, bool writable, const std::string& name, bool huge_pages,
                        std::shared_ptr<RamBlock>& out);

  // For make_shared; use the functions above.
  RamBlock(ByteRange addresses, ByteRange part, bool writable)
      : addresses_(addresses), part_(part), writable_(writable) {}
  RamBlock(const RamBlock&) = delete;
  RamBlock& operator=(const RamBlock&) = delete;
  // Unmaps. On an event loop's thread, a long block is unmapped by another thread.
  ~RamBlock();

  // Of the file.
  ByteRange part() const {
    return part_;
  }
  bool Covers(ByteRange offsets, bool writable) const {
    return part_.start <= offsets.start && offsets.end <= part_.end && (writable_ || !writable);
  }
  uint64_t AddressOf(uint64_t offset) const {
    return addresses_.start + (offset - part_.start);
  }
  MissingPages missing() const {
    return missing_;
  }
  // Set for a device.
  const std::shared_ptr<FileDescriptor>& device() const {
    return device_;
  }
  // It is never unmapped: another thread may reach it until the process ends.
  void LeaveForGood() {
    left_for_good_ = true;
  }

 private:
  static Result MapPart(const FileFacts& file, ByteRange part, const Wanted& wanted, std::shared_ptr<RamBlock>& out);

  const ByteRange addresses_;
  const ByteRange part_;
  const bool writable_;
  MissingPages missing_ = MissingPages::kNever;
  std::shared_ptr<FileDescriptor> device_;
  bool left_for_good_ = false;
};

}  // namespace dma_streams
