#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "util/file_descriptor.h"

namespace dma_streams {

// The kernel takes up to 253 in one message.
constexpr size_t kMostDescriptors = 16;

// How long a message is: its header has a length, which is a u32, little endian.
struct MessageFraming {
  // At least 4.
  uint32_t header_bytes = 0;
  // Where the length is; all of it is in the header.
  uint32_t length_at = 0;
  // Whether the length counts the header, too.
  bool counts_header = false;
  // Of a whole message.
  uint32_t max_bytes = 0;
};

// A whole message, header and payload, with its descriptors.
struct Message {
  std::vector<uint8_t> bytes;
  std::vector<std::shared_ptr<FileDescriptor>> descriptors;
};

}  // namespace dma_streams
