#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "loop.h"

// The messages of vhost-user that add and remove memory, from the specification of QEMU (docs/interop/vhost-user.rst).
namespace {

constexpr uint32_t kGetFeatures = 1;
constexpr uint32_t kSetFeatures = 2;
constexpr uint32_t kSetOwner = 3;
constexpr uint32_t kGetProtocolFeatures = 15;
constexpr uint32_t kSetProtocolFeatures = 16;
constexpr uint32_t kGetMaxMemSlots = 36;
constexpr uint32_t kAddMemReg = 37;
constexpr uint32_t kRemMemReg = 38;

constexpr uint64_t kFeatures = (uint64_t{1} << 30) | (uint64_t{1} << 32);
constexpr uint64_t kReplyAck = uint64_t{1} << 3;
constexpr uint64_t kConfigureMemSlots = uint64_t{1} << 15;

constexpr uint32_t kVersion = 1;
constexpr uint32_t kIsReply = 4;
constexpr uint32_t kNeedReply = 8;

struct Header {
  uint32_t request;
  uint32_t flags;
  // Of what follows, in bytes.
  uint32_t size;
};
static_assert(sizeof(Header) == 12);

struct __attribute__((packed)) NumberMessage {
  Header header;
  uint64_t value;
};
static_assert(sizeof(NumberMessage) == 20);

struct MemoryRegion {
  uint64_t guest_address;
  uint64_t size;
  uint64_t user_address;
  uint64_t file_offset;
};
static_assert(sizeof(MemoryRegion) == 32);

struct __attribute__((packed)) RegionMessage {
  Header header;
  uint64_t padding;
  MemoryRegion region;
};
static_assert(sizeof(RegionMessage) == 52);

inline sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    throw std::runtime_error("the path of the socket is too long: " + path);
  }
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  return address;
}

// A control message with one descriptor.
using OneDescriptor = std::array<char, CMSG_SPACE(sizeof(int))>;

inline void SendAll(int socket, const void* data, size_t size, int descriptor = -1) {
  // sendmsg does not write through it.
  iovec part = {.iov_base = const_cast<void*>(data), .iov_len = size};
  alignas(cmsghdr) OneDescriptor control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
  }
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) {
    Fail("sendmsg");
  }
}

}  // namespace
