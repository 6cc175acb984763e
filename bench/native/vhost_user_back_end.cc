// A vhost-user back end that does nothing but map memory: vhost_user_back_end SOCKET. Any number of clients, 509
// regions each. It maps and unmaps regions as others do, and answers at once.
//
// Reads a request a line, answers each with a line of numbers:
//   count   how many it has got since the beginning, of all clients: ADD_MEM_REG, GET_FEATURES
#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "vhost_user.h"

namespace {

constexpr uint64_t kSlots = 509;
constexpr size_t kLongestPayload = 4096;

std::atomic<uint64_t> added{0};
std::atomic<uint64_t> asked_for_features{0};

struct Mapped {
  void* address;
  size_t size;
};

class Client {
 public:
  explicit Client(int socket) : socket_(socket) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() {
    for (const auto& [start, mapped] : regions_) {
      ::munmap(mapped.address, mapped.size);
    }
    ::close(socket_);
  }

  // Until the client leaves.
  void Serve() {
    Header header{};
    for (int descriptor = -1; ReceiveHeader(header, descriptor);) {
      alignas(uint64_t) std::array<char, kLongestPayload> payload{};
      if (header.size > payload.size() ||
          (header.size > 0 && ::recv(socket_, payload.data(), header.size, MSG_WAITALL) != header.size)) {
        throw std::runtime_error("a message without its end");
      }
      Take(header, payload.data(), descriptor);
    }
  }

 private:
  // The descriptor comes with the header. -1: none has.
  bool ReceiveHeader(Header& header, int& descriptor) const {
    iovec part = {.iov_base = &header, .iov_len = sizeof(header)};
    alignas(cmsghdr) OneDescriptor control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const bool is_whole = ::recvmsg(socket_, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) == sizeof(header);
    descriptor = -1;
    const cmsghdr* rights = is_whole ? CMSG_FIRSTHDR(&message) : nullptr;
    if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS) {
      std::memcpy(&descriptor, CMSG_DATA(rights), sizeof(descriptor));
    }
    return is_whole;
  }

  void Take(const Header& header, const char* payload, int descriptor) {
    uint64_t answer = 0;
    bool has_reply = true;
    switch (header.request) {
      case kGetFeatures:
        ++asked_for_features;
        answer = kFeatures;
        break;
      case kGetProtocolFeatures:
        answer = kReplyAck | kConfigureMemSlots;
        break;
      case kGetMaxMemSlots:
        answer = kSlots;
        break;
      case kAddMemReg:
      case kRemMemReg:
        Change(header.request, payload, descriptor);
        [[fallthrough]];
      default:
        has_reply = (header.flags & kNeedReply) != 0;
    }
    if (has_reply) {
      const NumberMessage reply{.header = {header.request, kVersion | kIsReply, sizeof(answer)}, .value = answer};
      SendAll(socket_, &reply, sizeof(reply));
    }
  }

  void Change(uint32_t request, const char* payload, int descriptor) {
    MemoryRegion region{};
    std::memcpy(&region, payload + sizeof(uint64_t), sizeof(region));
    if (request == kRemMemReg) {
      const auto found = regions_.find(region.guest_address);
      if (found == regions_.end()) {
        throw std::runtime_error("there is no such region");
      }
      Check(::munmap(found->second.address, found->second.size), "munmap");
      regions_.erase(found);
      return;
    }
    ++added;
    void* address = ::mmap(nullptr, region.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor,
                           static_cast<off_t>(region.file_offset));
    ::close(descriptor);
    if (address == MAP_FAILED) {
      Fail("mmap");
    }
    regions_.emplace(region.guest_address, Mapped{address, region.size});
  }

  const int socket_;
  std::map<uint64_t, Mapped> regions_;
};

void ServeClient(int socket) {
  try {
    Client(socket).Serve();
  } catch (const std::exception& error) {
    std::cerr << "vhost_user_back_end: " << error.what() << std::endl;
  }
}

int Listen(const std::string& path) {
  const int listener = Check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const sockaddr_un address = AddressOf(path);
  Check(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "bind");
  Check(::listen(listener, 8), "listen");
  return listener;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const int listener = Listen(count > 1 ? arguments[1] : "");
    std::thread([listener] {
      for (int socket = 0; (socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
        std::thread(ServeClient, socket).detach();
      }
    }).detach();
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << added << " " << asked_for_features << std::endl;
    }
  } catch (const std::exception& error) {
    std::cout << "error: " << error.what() << std::endl;
    return 1;
  }
  // Threads that wait for messages are of no concern.
  std::_Exit(0);
}
