#include "sockets/message_reader.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace dma_streams {

namespace {

// For one turn of the event loop: a peer that sends without end does not keep the loop.
constexpr size_t kMessagesInATurn = 64;
constexpr size_t kBytesInATurn = size_t{1} << 20;
// They are open until the messages are delivered: the process may have few to spare.
constexpr size_t kDescriptorsInATurn = 32;

// The first room for a payload. It doubles.
constexpr size_t kFirstRoom = size_t{64} << 10;

}  // namespace

void MessageReader::End(Result result) {
  ended_ = true;
  end_ = result;
  message_ = {};
}

void MessageReader::Read(int fd, std::deque<Message>& out) {
  size_t messages = 0;
  size_t bytes = 0;
  size_t descriptors = 0;
  while (!ended_ && messages < kMessagesInATurn && bytes < kBytesInATurn && descriptors < kDescriptorsInATurn) {
    const size_t part = ReadPart(fd);
    if (part == 0) {
      return;
    }
    bytes += part;
    if (HasHeader() && length_ == 0) {
      FindLength();
    }
    if (!ended_ && HasHeader() && received_ == length_) {
      message_.bytes.resize(received_);
      descriptors += message_.descriptors.size();
      out.push_back(std::exchange(message_, {}));
      received_ = 0;
      length_ = 0;
      ++messages;
    }
  }
}

size_t MessageReader::ReadPart(int fd) {
  const size_t end = HasHeader() ? length_ : framing_.header_bytes;
  if (received_ == message_.bytes.size()) {
    message_.bytes.resize(std::min(end, received_ + std::max(received_, kFirstRoom)));
  }
  std::vector<uint8_t>& bytes = message_.bytes;
  iovec part = {.iov_base = bytes.data() + received_, .iov_len = std::min(end, bytes.size()) - received_};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t count = 0;
  do {
    count = ::recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    if (errno != EAGAIN) {
      End(LastError());
    }
    return 0;
  }
  const Result taken = TakeDescriptors(header);
  if (taken < 0) {
    End(taken);
    return 0;
  }
  if (count == 0) {
    End(received_ == 0 ? 0 : -EPROTO);
    return 0;
  }
  received_ += static_cast<size_t>(count);
  return static_cast<size_t>(count);
}

Result MessageReader::TakeDescriptors(msghdr& header) {
  size_t count = 0;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t numbers = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < numbers; ++index) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + (index * sizeof(int)), sizeof(int));
      message_.descriptors.push_back(std::make_shared<FileDescriptor>(fd));
    }
    count += numbers;
  }
  if (message_.descriptors.size() > kMostDescriptors) {
    return -E2BIG;
  }
  // The kernel has closed those that did not fit: into the room above, or into this process.
  if ((header.msg_flags & MSG_CTRUNC) != 0) {
    return count == kMostDescriptors ? -E2BIG : -EMFILE;
  }
  return 0;
}

void MessageReader::FindLength() {
  const uint8_t* at = message_.bytes.data() + framing_.length_at;
  const uint32_t announced = at[0] | (uint32_t{at[1]} << 8) | (uint32_t{at[2]} << 16) | (uint32_t{at[3]} << 24);
  length_ = uint64_t{announced} + (framing_.counts_header ? 0 : framing_.header_bytes);
  if (length_ < framing_.header_bytes) {
    End(-EBADMSG);
  } else if (length_ > framing_.max_bytes) {
    End(-EMSGSIZE);
  }
}

}  // namespace dma_streams
