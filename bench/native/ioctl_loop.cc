// What programming an IOMMU costs in C++: loops over the same ioctls as the targets make, on a device of its own.
//
//   ioctl_loop type1 GROUP ADDRESS    a VFIO container, with this group, and this PCI device opened
//   ioctl_loop iommufd NUMBER         an IOAS, with the device /dev/vfio/devices/vfioNUMBER attached
//   ioctl_loop kvm                    a VM, whose memory slots are set and deleted; always va
//
// With the words for a second device behind them, that one has a container, or an iommufd, of its own.
//
// Descriptor 3 is the memory: a memfd. Reads a request a line, answers each with a line of numbers, in nanoseconds:
//   cycle va|file SIZE SET CHANGES alone|memory    per change: sets of mappings of SIZE bytes are mapped, then
//   unmapped; with `memory`, each is
//                                                  also mapped into this process before, and taken out of it after
//   attach va|file SIZE COUNT                      per mapping: all mapped, all unmapped
//   beside va|file SIZE                            one mapping made and ended: at the first device; at both, each on a
//                                                  thread of its own
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "iommus.h"
#include "loop.h"
#include "memory.h"

namespace {

std::string Cycle(const Iommu& iommu, const Addresses& addresses, std::istream& request) {
  static uint64_t at = 0;
  std::string how;
  std::string work;
  uint64_t size = 0;
  uint64_t set = 0;
  uint64_t changes = 0;
  request >> how >> size >> set >> changes >> work;
  const bool own = work == "memory";
  const auto each = [&](auto&& act) {
    for (uint64_t index = 0; index < set; ++index) {
      act(addresses.At(at + index, size, own));
    }
  };
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t done = 0; done < changes; done += 2 * set) {
    if (own) {
      each(Addresses::Make);
    }
    each([&](const Range& range) { iommu.Map(range, how == "file"); });
    each([&](const Range& range) { iommu.Unmap(range); });
    if (own) {
      each(Addresses::Release);
    }
    at += set;
  }
  return std::to_string(NanosecondsSince(start) / static_cast<double>(changes));
}

std::string Attach(const Iommu& iommu, const Addresses& addresses, std::istream& request) {
  std::string how;
  uint64_t size = 0;
  uint64_t count = 0;
  request >> how >> size >> count;
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t index = 0; index < count; ++index) {
    iommu.Map(addresses.At(index, size, false), how == "file");
  }
  const double mapped = NanosecondsSince(start);
  for (uint64_t index = 0; index < count; ++index) {
    iommu.Unmap(addresses.At(index, size, false));
  }
  const double all = NanosecondsSince(start);
  const auto mappings = static_cast<double>(count);
  return std::to_string(mapped / mappings) + " " + std::to_string((all - mapped) / mappings);
}

using Iommus = std::vector<std::unique_ptr<Iommu>>;

// As the targets of one process do: whatever the kernel lets only one thread of a process do counts.
std::string Beside(const Iommus& iommus, const Addresses& addresses, std::istream& request) {
  std::string how;
  uint64_t size = 0;
  request >> how >> size;
  const Range range = addresses.At(0, size, true);
  const auto take = [&](size_t count) {
    Addresses::Make(range);
    const auto start = std::chrono::steady_clock::now();
    for (const auto act : {true, false}) {
      std::vector<std::jthread> threads;
      for (size_t index = 0; index < count; ++index) {
        threads.emplace_back(
            [&, index] { act ? iommus.at(index)->Map(range, how == "file") : iommus.at(index)->Unmap(range); });
      }
    }
    const double taken = NanosecondsSince(start);
    Addresses::Release(range);
    return std::to_string(taken);
  };
  return take(1) + " " + take(iommus.size());
}

Iommus Open(std::span<char*> words) {
  Iommus iommus;
  const std::string kind = words.empty() ? "" : words[0];
  if (kind == "type1" && (words.size() == 3 || words.size() == 5)) {
    for (size_t at = 1; at < words.size(); at += 2) {
      iommus.push_back(std::make_unique<Type1>(words[at], words[at + 1]));
    }
  } else if (kind == "iommufd" && (words.size() == 2 || words.size() == 3)) {
    for (char* number : words.subspan(1)) {
      iommus.push_back(std::make_unique<Ioas>(number));
    }
  } else if (kind == "kvm" && words.size() == 1) {
    iommus.push_back(std::make_unique<Slots>());
  } else {
    throw std::runtime_error("usage: ioctl_loop type1 GROUP ADDRESS [GROUP ADDRESS] | iommufd NUMBER [NUMBER] | kvm");
  }
  return iommus;
}

std::string Answer(const std::string& what, const Iommus& iommus, const Addresses& addresses, std::istream& request) {
  if (what == "beside") {
    return Beside(iommus, addresses, request);
  }
  const Iommu& first = *iommus.front();
  return what == "cycle" ? Cycle(first, addresses, request) : Attach(first, addresses, request);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Iommus iommus = Open(std::span(argv, static_cast<size_t>(argc)).subspan(1));
    const Addresses addresses;
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream request(line);
      std::string what;
      request >> what;
      std::cout << Answer(what, iommus, addresses, request) << std::endl;
    }
  } catch (const std::exception& error) {
    std::cout << "error: " << error.what() << std::endl;
    return 1;
  }
}
