#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "file_descriptor.h"

namespace dma_streams {

// What a Memfd holds: a descriptor until it is closed.
class OpenFile {
 public:
  static constexpr napi_type_tag kTypeTag = {0x5d0a5c1e0f4b4f0eULL, 0x9d8e3c1b7a620001ULL};

  explicit OpenFile(std::shared_ptr<FileDescriptor> fd) : fd_(std::move(fd)) {}

  // Null once closed.
  const std::shared_ptr<FileDescriptor>& fd() const {
    return fd_;
  }
  void Close() {
    fd_.reset();
  }

  static void Export(Napi::Env env, Napi::Object exports);

 private:
  std::shared_ptr<FileDescriptor> fd_;
};

}  // namespace dma_streams
