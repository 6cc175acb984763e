#pragma once

#include <memory>
#include <utility>

#include "util/error.h"

namespace dma_streams {

// Owns an open file descriptor, and closes it when the last owner releases it. While an owner on another thread uses
// the descriptor, its number cannot be reused.
//
// The last reference to a memfd or a deleted file frees its pages, which takes a tenth of a second for each GiB. So
// when a large file is closed, the number is free at once, and the pages are freed on another thread.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();

  // A duplicate of `fd` that is closed on exec.
  static Result Duplicate(int fd, std::shared_ptr<FileDescriptor>& out);

  int get() const {
    return fd_;
  }

  // Gives the descriptor up: it stays open, and is the caller's.
  int Release() {
    return std::exchange(fd_, -1);
  }

 private:
  int fd_;
};

}  // namespace dma_streams
