// What programming an IOMMU costs in C++: loops over the same ioctls as the targets make, on a device of its own.
//
//   ioctl_loop type1 GROUP ADDRESS    a VFIO container, with this group, and this PCI device opened
//   ioctl_loop iommufd NUMBER         an IOAS, with the device /dev/vfio/devices/vfioNUMBER attached
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
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "uapi/iommufd.h"
#include "uapi/vfio.h"

namespace {

namespace uapi = dma_streams::uapi;

constexpr int kMemory = 3;
// Where the mappings are, for the device: with a gap as long as itself after each.
constexpr uint64_t kIova = uint64_t{1} << 32;

[[noreturn]] void Fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

int Check(int result, const char* what) {
  if (result < 0) {
    Fail(what);
  }
  return result;
}

struct Range {
  uint64_t iova;
  uint64_t length;
  uint64_t file_offset;
  uint64_t va;
};

class Iommu {
 public:
  virtual ~Iommu() = default;
  virtual void Map(const Range& range, bool by_file) const = 0;
  virtual void Unmap(const Range& range) const = 0;
};

class Type1 : public Iommu {
 public:
  Type1(const std::string& group, const char* address)
      : container_(Check(::open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), "open /dev/vfio/vfio")),
        group_(Check(::open(("/dev/vfio/" + group).c_str(), O_RDWR | O_CLOEXEC), "open the group")) {
    int container = container_;
    Check(::ioctl(group_, uapi::kVfioGroupSetContainer, &container), "VFIO_GROUP_SET_CONTAINER");
    Check(::ioctl(container_, uapi::kVfioSetIommu, uapi::kVfioType1v2Iommu), "VFIO_SET_IOMMU");
    Check(::ioctl(group_, uapi::kVfioGroupGetDeviceFd, address), "VFIO_GROUP_GET_DEVICE_FD");
  }

  void Map(const Range& range, bool) const override {
    uapi::VfioDmaMap map{.argsz = sizeof(map),
                         .flags = uapi::kVfioDmaMapRead | uapi::kVfioDmaMapWrite,
                         .vaddr = range.va,
                         .iova = range.iova,
                         .size = range.length};
    Check(::ioctl(container_, uapi::kVfioIommuMapDma, &map), "VFIO_IOMMU_MAP_DMA");
  }

  void Unmap(const Range& range) const override {
    uapi::VfioDmaUnmap unmap{.argsz = sizeof(unmap), .flags = 0, .iova = range.iova, .size = range.length};
    Check(::ioctl(container_, uapi::kVfioIommuUnmapDma, &unmap), "VFIO_IOMMU_UNMAP_DMA");
  }

 private:
  const int container_;
  const int group_;
};

class Ioas : public Iommu {
 public:
  explicit Ioas(const std::string& number)
      : iommufd_(Check(::open("/dev/iommu", O_RDWR | O_CLOEXEC), "open /dev/iommu")),
        device_(Check(::open(("/dev/vfio/devices/vfio" + number).c_str(), O_RDWR | O_CLOEXEC), "open the device")) {
    uapi::VfioDeviceBindIommufd bind{.argsz = sizeof(bind), .flags = 0, .iommufd = iommufd_, .out_devid = 0};
    Check(::ioctl(device_, uapi::kVfioDeviceBindIommufd, &bind), "VFIO_DEVICE_BIND_IOMMUFD");
    uapi::IommuIoasAlloc allocate{.size = sizeof(allocate), .flags = 0, .out_ioas_id = 0};
    Check(::ioctl(iommufd_, uapi::kIommuIoasAlloc, &allocate), "IOMMU_IOAS_ALLOC");
    ioas_ = allocate.out_ioas_id;
    uapi::VfioDeviceAttachIommufdPt attach{.argsz = sizeof(attach), .flags = 0, .pt_id = ioas_};
    Check(::ioctl(device_, uapi::kVfioDeviceAttachIommufdPt, &attach), "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
  }

  void Map(const Range& range, bool by_file) const override {
    constexpr uint32_t kFlags = uapi::kIommuMapFixedIova | uapi::kIommuMapReadable | uapi::kIommuMapWriteable;
    if (by_file) {
      uapi::IommuIoasMapFile map{.size = sizeof(map),
                                 .flags = kFlags,
                                 .ioas_id = ioas_,
                                 .fd = kMemory,
                                 .start = range.file_offset,
                                 .length = range.length,
                                 .iova = range.iova};
      Check(::ioctl(iommufd_, uapi::kIommuIoasMapFile, &map), "IOMMU_IOAS_MAP_FILE");
      return;
    }
    uapi::IommuIoasMap map{.size = sizeof(map),
                           .flags = kFlags,
                           .ioas_id = ioas_,
                           .reserved = 0,
                           .user_va = range.va,
                           .length = range.length,
                           .iova = range.iova};
    Check(::ioctl(iommufd_, uapi::kIommuIoasMap, &map), "IOMMU_IOAS_MAP");
  }

  void Unmap(const Range& range) const override {
    uapi::IommuIoasUnmap unmap{.size = sizeof(unmap), .ioas_id = ioas_, .iova = range.iova, .length = range.length};
    Check(::ioctl(iommufd_, uapi::kIommuIoasUnmap, &unmap), "IOMMU_IOAS_UNMAP");
  }

 private:
  const int iommufd_;
  const int device_;
  uint32_t ioas_ = 0;
};

// Addresses for the memory: all of it at once, for ioctls alone; and room in which each range gets its own.
class Addresses {
 public:
  Addresses() {
    struct stat status{};
    Check(::fstat(kMemory, &status), "fstat of the memory");
    size_ = static_cast<uint64_t>(status.st_size);
    whole_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, kMemory, 0);
    room_ = ::mmap(nullptr, 2 * size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (whole_ == MAP_FAILED || room_ == MAP_FAILED) {
      Fail("mmap");
    }
  }

  // Range number `index` of those that the memory has, over and over.
  Range At(uint64_t index, uint64_t length, bool own) const {
    const uint64_t place = index % (size_ / length);
    const uint64_t at = place * length;
    const auto base = reinterpret_cast<uintptr_t>(own ? room_ : whole_);
    return {.iova = kIova + 2 * at, .length = length, .file_offset = at, .va = base + (own ? 2 * at : at)};
  }

  static void Make(const Range& range) {
    Place(range, ::mmap(Pointer(range), range.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, kMemory,
                        static_cast<off_t>(range.file_offset)));
  }

  static void Release(const Range& range) {
    Place(range, ::mmap(Pointer(range), range.length, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0));
  }

 private:
  static void* Pointer(const Range& range) {
    return reinterpret_cast<void*>(range.va);  // NOLINT(performance-no-int-to-ptr)
  }

  static void Place(const Range& range, void* result) {
    if (result != Pointer(range)) {
      Fail("mmap at a fixed place");
    }
  }

  uint64_t size_ = 0;
  void* whole_ = nullptr;
  void* room_ = nullptr;
};

double NanosecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

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
  } else {
    throw std::runtime_error("usage: ioctl_loop type1 GROUP ADDRESS [GROUP ADDRESS] | iommufd NUMBER [NUMBER]");
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
