// What sharing memory with a vhost-user back end costs in C++: vhost_user_loop SOCKET, with the memory as descriptor 3.
//
// Reads a request a line, answers each with a line of numbers:
//   add SIZE SET COUNT REPEAT   per region that is added: nanoseconds, and nanoseconds of processor time
// Adds COUNT regions of SIZE bytes in sets of SET: the messages of a set together, each with an ack, and after them one
// GET_FEATURES, whose reply is awaited. Then removes all of them, which does not count. REPEAT times.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "vhost_user.h"

namespace {

constexpr int kMemory = 3;
constexpr uint64_t kStart = uint64_t{1} << 32;
constexpr uint64_t kUserAddress = uint64_t{1} << 44;

double ProcessorTime() {
  rusage usage{};
  Check(::getrusage(RUSAGE_SELF, &usage), "getrusage");
  const auto nanoseconds = [](const timeval& time) {
    return (static_cast<double>(time.tv_sec) * 1e9) + (static_cast<double>(time.tv_usec) * 1e3);
  };
  return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
}

class FrontEnd {
 public:
  explicit FrontEnd(const std::string& path)
      : socket_(Check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
    const sockaddr_un address = AddressOf(path);
    Check(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "connect");
    const uint64_t features = Ask(kGetFeatures);
    Send(kSetOwner);
    const uint64_t wanted = kReplyAck | kConfigureMemSlots;
    if ((Ask(kGetProtocolFeatures) & wanted) != wanted) {
      throw std::runtime_error("the back end has no memory slots, or sends no acks");
    }
    Set(kSetProtocolFeatures, wanted);
    Set(kSetFeatures, features & kFeatures);
    Ask(kGetMaxMemSlots);
  }

  // Regions from number `first` on, each followed by a gap of its size.
  void Change(uint32_t request, uint64_t size, uint64_t first, uint64_t count) {
    for (uint64_t index = first; index < first + count; ++index) {
      const uint64_t address = kStart + (2 * index * size);
      const RegionMessage message{.header = {request, kVersion | kNeedReply, sizeof(uint64_t) + sizeof(MemoryRegion)},
                                  .padding = 0,
                                  .region = {address, size, kUserAddress + address, index * size}};
      SendAll(socket_, &message, sizeof(message), request == kAddMemReg ? kMemory : -1);
    }
    Send(kGetFeatures);
    Receive(count + 1);
    for (uint64_t index = 0; index < count; ++index) {
      const NumberMessage& ack = answers_[index];
      if (ack.header.request != request || ack.value != 0) {
        throw std::runtime_error("the back end refuses region " + std::to_string(first + index));
      }
    }
  }

 private:
  void Send(uint32_t request) const {
    const Header header{request, kVersion, 0};
    SendAll(socket_, &header, sizeof(header));
  }

  void Set(uint32_t request, uint64_t value) const {
    const NumberMessage message{.header = {request, kVersion, sizeof(value)}, .value = value};
    SendAll(socket_, &message, sizeof(message));
  }

  uint64_t Ask(uint32_t request) {
    Send(request);
    Receive(1);
    return answers_[0].value;
  }

  // All answers here are numbers.
  void Receive(uint64_t count) {
    answers_.resize(std::max<size_t>(answers_.size(), count));
    const size_t bytes = count * sizeof(NumberMessage);
    for (size_t got = 0; got < bytes;) {
      const ssize_t more = ::recv(socket_, reinterpret_cast<char*>(answers_.data()) + got, bytes - got, 0);
      if (more <= 0) {
        throw std::runtime_error("the back end has closed the connection");
      }
      got += static_cast<size_t>(more);
    }
    for (uint64_t index = 0; index < count; ++index) {
      const Header& header = answers_[index].header;
      if (header.flags != (kVersion | kIsReply) || header.size != sizeof(uint64_t)) {
        throw std::runtime_error("the back end answers what is no number");
      }
    }
  }

  const int socket_;
  std::vector<NumberMessage> answers_;
};

std::string Answer(FrontEnd& front_end, std::istream& request) {
  std::string what;
  uint64_t size = 0;
  uint64_t set = 1;
  uint64_t count = 0;
  uint64_t repeat = 0;
  request >> what >> size >> set >> count >> repeat;
  double time = 0;
  double processor = 0;
  for (uint64_t round = 0; round < repeat; ++round) {
    const double before = ProcessorTime();
    const auto start = std::chrono::steady_clock::now();
    for (uint64_t first = 0; first < count; first += set) {
      front_end.Change(kAddMemReg, size, first, set);
    }
    time += NanosecondsSince(start);
    processor += ProcessorTime() - before;
    front_end.Change(kRemMemReg, size, 0, count);
  }
  const auto regions = static_cast<double>(count * repeat);
  return std::to_string(time / regions) + " " + std::to_string(processor / regions);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    FrontEnd front_end(count > 1 ? arguments[1] : "");
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream request(line);
      std::cout << Answer(front_end, request) << std::endl;
    }
  } catch (const std::exception& error) {
    std::cout << "error: " << error.what() << std::endl;
    return 1;
  }
}
