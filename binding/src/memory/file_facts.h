#pragma once

#include <cstdint>
#include <memory>

#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// Whether a page of mapped memory may be missing, so that a load or a store there raises SIGBUS.
enum class MissingPages : uint8_t {
  // Private memory, which is charged when it is mapped, and memfd_secret, which can neither shrink nor lose a page.
  kNever,
  // A memfd that is sealed against shrinking. A page that was never touched, or was punched out by another process, is
  // made when it is touched. The kernel refuses that only under strict commit (see memory/commit_policy.h).
  kUnderStrictCommit,
  // Everything else: a file that can be cut short, or that lies on a file system which may be full; huge pages, of
  // which one that is punched out may not be had again, in spite of all seals; a device.
  kPossible,
};

// The properties of a file that decide how it can be mapped. Read once for all rows of a set that name the same file.
struct FileFacts {
  // -1: no file, but private memory.
  int fd = -1;
  // Set for what is not a regular file: its memory may only be reachable through the descriptor.
  std::shared_ptr<FileDescriptor> device;
  // Pages of the file; a part of a page counts as one. Not known for a device.
  uint64_t pages = 0;
  // F_SEAL_*; none where a file cannot be sealed.
  int seals = 0;
  // Addresses, lengths and offsets must be a multiple of it, in bytes.
  uint64_t unit = 0;
  MissingPages missing = MissingPages::kNever;
  // They identify the file.
  uint64_t device_number = 0;
  uint64_t inode = 0;

  // -errno when it is not open, or cannot be duplicated.
  static Result Of(int fd, FileFacts& out);

  bool is_private() const {
    return fd < 0;
  }
  bool sealed_against_writing() const;
  // A number that is the same for mappings that the kernel can join to one memory area; 0 when it joins none. Even.
  // `file_number`: see addressSpaceMap.
  uint64_t area_kind(uint64_t file_number) const;
};

}  // namespace dma_streams
