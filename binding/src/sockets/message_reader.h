#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <deque>

#include "sockets/message.h"
#include "util/error.h"

namespace dma_streams {

// Reads messages from a unix stream socket.
//
// The kernel hands over descriptors with the first byte that they were sent with. So that they belong to the message of
// that byte, a read never goes beyond the end of a message: it ends at the end of the header, then at the end of the
// message.
class MessageReader {
 public:
  explicit MessageReader(const MessageFraming& framing) : framing_(framing) {}

  // Appends the messages that are there, until a limit for one turn of the event loop is reached.
  void Read(int fd, std::deque<Message>& out);

  // Whether nothing more is to be read.
  bool ended() const {
    return ended_;
  }
  // Why: 0 for an end between two messages; -EPROTO: an end within a message; -EMSGSIZE: a message that is too long;
  // -EBADMSG: shorter than its header; -E2BIG: with too many descriptors; -EMFILE: no room for its descriptors in this
  // process; otherwise the error of the connection.
  Result end() const {
    return end_;
  }
  // The length of the message that was too long or too short.
  uint64_t refused_length() const {
    return length_;
  }

 private:
  bool HasHeader() const {
    return received_ >= framing_.header_bytes;
  }
  void End(Result result);
  // Reads up to the end of the header, or of the message. Returns the number of bytes; 0 when nothing is there, or at
  // the end.
  size_t ReadPart(int fd);
  Result TakeDescriptors(msghdr& header);
  void FindLength();

  const MessageFraming framing_;
  // The message that is being read. Its bytes grow as they arrive, whatever length the peer announces.
  Message message_;
  size_t received_ = 0;
  // Known when the header is there.
  uint64_t length_ = 0;
  bool ended_ = false;
  Result end_ = 0;
};

}  // namespace dma_streams
