#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "sockets/message.h"
#include "util/error.h"

namespace dma_streams {

// Of messages that the kernel has not taken yet, of one socket, in bytes.
constexpr size_t kMostQueued = size_t{64} << 20;

// A message to send, as the caller has it.
struct Outgoing {
  std::span<const uint8_t> bytes;
  std::vector<std::shared_ptr<FileDescriptor>> descriptors;
};

// Sends messages over a unix stream socket, in order: at once what the kernel takes, the rest later.
class MessageQueue {
 public:
  // Sends or queues all of them; -ENOBUFS when they do not fit into the queue: then nothing was sent. After any other
  // failure some may have been sent, the queue is empty, and it stays ended.
  Result Send(int fd, std::vector<Outgoing>& messages);

  // Sends what the kernel takes, until a limit for one turn of the event loop is reached.
  Result Flush(int fd);

  // Gives up what is queued. Every later call returns `result`.
  void End(Result result);

  bool empty() const {
    return queue_.empty();
  }
  // In bytes.
  size_t queued() const {
    return queued_;
  }
  // The number of messages that the kernel has taken as a whole.
  uint64_t taken() const {
    return taken_;
  }
  // Whether the kernel has no room for descriptors or messages: the socket may be writable all the same.
  bool is_short() const {
    return is_short_;
  }
  // The failure that has ended it, or 0.
  Result end() const {
    return end_;
  }

 private:
  struct Queued {
    std::vector<uint8_t> bytes;
    // Empty once its first byte is sent: the kernel has them.
    std::vector<std::shared_ptr<FileDescriptor>> descriptors;
    size_t sent = 0;
  };

  // The number of bytes that the kernel has taken; 0 when it takes none now; or -errno.
  ssize_t SendPart(int fd, std::span<const uint8_t> bytes,
                   const std::vector<std::shared_ptr<FileDescriptor>>& descriptors);

  std::deque<Queued> queue_;
  size_t queued_ = 0;
  uint64_t taken_ = 0;
  bool is_short_ = false;
  Result end_ = 0;
};

}  // namespace dma_streams
