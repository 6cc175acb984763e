#pragma once

#include <cstdint>
#include <map>
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

// The properties of a file that decide how it can be mapped. They are read in two steps, once for all rows of a set
// that name the same file.
struct FileFacts {
  // -1: no file, but private memory.
  int fd = -1;
  // A file in a file system, a memfd among them. Everything else is called a device.
  bool is_regular = false;
  // Of a regular file: pages; a part of a page counts as one.
  uint64_t pages = 0;
  uint64_t bytes = 0;
  // Of a regular file: they identify it.
  uint64_t device_number = 0;
  uint64_t inode = 0;

  // One system call finds out what stands above. -errno when it is not open.
  static Result Identify(int fd, FileFacts& out);

  // What stands below. Only the first call makes system calls. -errno when a device cannot be duplicated.
  Result Complete();

  // Of a device: its memory may only be reachable through the descriptor.
  std::shared_ptr<FileDescriptor> device;
  // F_SEAL_*; none where a file cannot be sealed.
  int seals = 0;
  // Addresses, lengths and offsets must be a multiple of it, in bytes.
  uint64_t unit = 0;
  MissingPages missing = MissingPages::kNever;

  // Whether the descriptor was opened for reading. Only the first call of these two makes a system call.
  bool can_read();
  // Whether it was opened for reading and writing, which a writable shared mapping needs.
  bool can_write();

  bool is_private() const {
    return fd < 0;
  }
  bool sealed_against_writing() const;
  // A number that is the same for mappings that the kernel can join to one memory area; 0 when it joins none. Even.
  // `file_number`: see addressSpaceMap.
  uint64_t area_kind(uint64_t file_number) const;

 private:
  int OpenFlags();

  uint64_t block_size_ = 0;
  bool is_complete_ = false;
  Result completed_ = 0;
  // F_GETFL; -1 when it was not asked for.
  int open_flags_ = -1;
};

// The files that the rows of one set name. Each is identified once.
class FilesOfSet {
 public:
  // `out` lives as long as this object. Private memory has facts, too.
  Result Find(int fd, FileFacts*& out);

 private:
  struct Known {
    Result result = 0;
    FileFacts facts;
  };
  std::map<int, Known> known_;
  // The file of the last row: most rows of a set have one.
  Known* last_ = nullptr;
};

}  // namespace dma_streams
