#pragma once

#include <cstdint>
#include <memory>

#include "file_descriptor.h"
#include "util/error.h"

namespace dma_streams {

// What the mapping of a file depends on, as it is now. Looked at once for all rows of a set that name the same file.
struct FileFacts {
  // -1: no file, but private memory.
  int fd = -1;
  // Set for what is not a regular file: its memory may only be reachable through the descriptor.
  std::shared_ptr<FileDescriptor> device;
  // Those that the file has, also in part. Of a device nobody knows.
  uint64_t pages = 0;
  // F_SEAL_*; none where a file cannot be sealed.
  int seals = 0;
  // What addresses, lengths and offsets have to be a multiple of, in bytes.
  uint64_t unit = 0;
  // Its pages are huge ones, of which one that somebody punches out may not be had again, seal or no seal.
  bool huge = false;

  // -errno when it is not open, or cannot be duplicated.
  static Result Of(int fd, FileFacts& out);

  bool is_private() const {
    return fd < 0;
  }
  // It cannot become shorter, so that no load from it can fault.
  bool cannot_shrink() const;
  bool sealed_against_writing() const;
};

}  // namespace dma_streams
