#include "sockets/message_queue.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace dma_streams {

namespace {

// For one turn of the event loop: a peer that reads as fast as this sends does not keep the loop.
constexpr size_t kBytesInATurn = size_t{1} << 20;
constexpr size_t kPartsInATurn = 256;

// The kernel has no memory for a message, or this user has too many descriptors in messages that were not received yet.
bool IsShortage(int error) {
  return error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS;
}

}  // namespace

ssize_t MessageQueue::SendPart(int fd, std::span<const uint8_t> bytes,
                               const std::vector<std::shared_ptr<FileDescriptor>>& descriptors) {
  // sendmsg does not write through it.
  iovec part = {.iov_base = const_cast<uint8_t*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    for (size_t index = 0; index < descriptors.size(); ++index) {
      const int number = descriptors[index]->get();
      std::memcpy(CMSG_DATA(rights) + (index * sizeof(int)), &number, sizeof(int));
    }
  }
  ssize_t count = 0;
  do {
    count = ::sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  is_short_ = count < 0 && IsShortage(errno);
  if (count < 0) {
    return errno == EAGAIN || is_short_ ? 0 : LastError();
  }
  return count;
}

Result MessageQueue::Send(int fd, std::vector<Outgoing>& messages) {
  if (end_ != 0) {
    return end_;
  }
  size_t bytes = queued_;
  for (const Outgoing& message : messages) {
    bytes += message.bytes.size();
  }
  if (bytes > kMostQueued) {
    return -ENOBUFS;
  }
  bool full = !queue_.empty();
  for (size_t next = 0; next < messages.size();) {
    // Messages without descriptors go with the one before them: they follow it in memory.
    Outgoing& first = messages[next];
    size_t end = next + 1;
    size_t length = first.bytes.size();
    while (end < messages.size() && messages[end].descriptors.empty()) {
      length += messages[end++].bytes.size();
    }
    const std::span together(first.bytes.data(), length);
    size_t sent = 0;
    while (!full && sent < length) {
      const ssize_t count = SendPart(fd, together.subspan(sent), first.descriptors);
      if (count < 0) {
        End(static_cast<Result>(count));
        return end_;
      }
      full = count == 0;
      if (!full) {
        sent += static_cast<size_t>(count);
        first.descriptors.clear();
      }
    }
    for (; next < end; ++next) {
      Outgoing& message = messages[next];
      const size_t done = std::min(sent, message.bytes.size());
      sent -= done;
      if (done == message.bytes.size()) {
        ++taken_;
        continue;
      }
      const auto rest = message.bytes.subspan(done);
      queue_.push_back({{rest.begin(), rest.end()}, std::move(message.descriptors), 0});
      queued_ += rest.size();
    }
  }
  return 0;
}

Result MessageQueue::Flush(int fd) {
  size_t bytes = 0;
  for (size_t parts = 0; !queue_.empty() && bytes < kBytesInATurn && parts < kPartsInATurn; ++parts) {
    Queued& first = queue_.front();
    const ssize_t count = SendPart(fd, std::span(first.bytes).subspan(first.sent), first.descriptors);
    if (count < 0) {
      End(static_cast<Result>(count));
      return end_;
    }
    if (count == 0) {
      return 0;
    }
    first.descriptors.clear();
    first.sent += static_cast<size_t>(count);
    queued_ -= static_cast<size_t>(count);
    bytes += static_cast<size_t>(count);
    if (first.sent == first.bytes.size()) {
      queue_.pop_front();
      ++taken_;
    }
  }
  return end_;
}

void MessageQueue::End(Result result) {
  if (end_ == 0) {
    end_ = result;
  }
  queue_.clear();
  queued_ = 0;
}

}  // namespace dma_streams
