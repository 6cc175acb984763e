// What a change costs in C++, for comparison: a std::map of mappings, looked through for overlaps, and a virtual call
// to each target. And the bare system calls that an address space makes.
//
// Reads a request a line, answers each with a line of numbers, in nanoseconds:
//   change COUNT TARGETS random|sequential CHANGES    per change, half of which add and half remove
//   attach COUNT                                      per mapping: attach, detach
//   memory MAPS                                       per mapping: mmap, munmap of a page of a file at a fixed place
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kStride = 16 * kPage;

struct Mapping {
  uint64_t end;
  uint64_t file_offset;
  bool writable;
};

class Target {
 public:
  virtual ~Target() = default;
  virtual void Map(uint64_t start, const Mapping& mapping) = 0;
  virtual void Unmap(uint64_t start, uint64_t end) = 0;
};

class IdleTarget : public Target {
 public:
  void Map(uint64_t, const Mapping&) override {
    ++calls_;
  }
  void Unmap(uint64_t, uint64_t) override {
    ++calls_;
  }

 private:
  uint64_t calls_ = 0;
};

// Opaque to the optimiser, which would else see what the targets are, and that they do nothing.
[[gnu::noipa]] std::unique_ptr<Target> MakeTarget() {
  return std::make_unique<IdleTarget>();
}

double NanosecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

class Memory {
 public:
  explicit Memory(size_t count) : order_(std::max<size_t>(count, 4096)) {
    for (size_t index = 0; index < count; ++index) {
      mappings_.emplace(index * 2 * kStride, Mapping{index * 2 * kStride + kPage, 0, true});
    }
    std::iota(order_.begin(), order_.end(), 0);
    std::shuffle(order_.begin(), order_.end(), std::mt19937_64(1));
  }

  void SetTargets(size_t count) {
    targets_.resize(count);
    for (auto& target : targets_) {
      target = MakeTarget();
    }
  }

  // False, and nothing is changed, when something overlaps.
  bool Add(uint64_t start, const Mapping& mapping) {
    const auto next = mappings_.lower_bound(start);
    if (next != mappings_.end() && next->first < mapping.end) {
      return false;
    }
    if (next != mappings_.begin() && std::prev(next)->second.end > start) {
      return false;
    }
    mappings_.emplace_hint(next, start, mapping);
    for (const auto& target : targets_) {
      target->Map(start, mapping);
    }
    return true;
  }

  bool Remove(uint64_t start, uint64_t end) {
    const auto found = mappings_.find(start);
    if (found == mappings_.end()) {
      return false;
    }
    for (const auto& target : targets_) {
      target->Unmap(start, end);
    }
    mappings_.erase(found);
    return true;
  }

  // A new mapping at a free place between two others, and away again.
  bool Change(size_t at, bool random) {
    const size_t place = random ? order_[at % order_.size()] : at % order_.size();
    const uint64_t start = (place * 2 + 1) * kStride;
    return Add(start, Mapping{start + kPage, 0, true}) && Remove(start, start + kPage);
  }

  void Attach(Target& target) const {
    for (const auto& [start, mapping] : mappings_) {
      target.Map(start, mapping);
    }
  }

  void Detach(Target& target) const {
    for (const auto& [start, mapping] : mappings_) {
      target.Unmap(start, mapping.end);
    }
  }

 private:
  std::map<uint64_t, Mapping> mappings_;
  std::vector<size_t> order_;
  std::vector<std::unique_ptr<Target>> targets_;
};

std::string Change(Memory& memory, std::istream& request) {
  static size_t at = 0;
  size_t targets = 0;
  size_t changes = 0;
  std::string order;
  request >> targets >> order >> changes;
  memory.SetTargets(targets);
  const auto start = std::chrono::steady_clock::now();
  for (size_t done = 0; done < changes; done += 2) {
    if (!memory.Change(at++, order == "random")) {
      return "error: something is in the way";
    }
  }
  return std::to_string(NanosecondsSince(start) / static_cast<double>(changes));
}

std::string Attach(const Memory& memory, size_t count) {
  const auto target = MakeTarget();
  const auto start = std::chrono::steady_clock::now();
  memory.Attach(*target);
  const double attached = NanosecondsSince(start);
  memory.Detach(*target);
  const double all = NanosecondsSince(start);
  const auto mappings = static_cast<double>(count);
  return std::to_string(attached / mappings) + " " + std::to_string((all - attached) / mappings);
}

std::string MapMemory(size_t count) {
  const int fd = ::memfd_create("bench", MFD_CLOEXEC);
  const size_t size = count * 2 * kPage;
  auto* base = static_cast<char*>(::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (fd < 0 || base == MAP_FAILED || ::ftruncate(fd, static_cast<off_t>(size)) != 0) {
    return "error: no memory";
  }
  const auto start = std::chrono::steady_clock::now();
  for (size_t index = 0; index < count; ++index) {
    const size_t at = index * 2 * kPage;
    if (::mmap(base + at, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(at)) ==
        MAP_FAILED) {
      return "error: mmap";
    }
  }
  const double mapped = NanosecondsSince(start);
  for (size_t index = 0; index < count; ++index) {
    // As a reservation does it: nothing else may settle there.
    if (::mmap(base + index * 2 * kPage, kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
               0) == MAP_FAILED) {
      return "error: mmap";
    }
  }
  const double all = NanosecondsSince(start);
  ::munmap(base, size);
  ::close(fd);
  const auto maps = static_cast<double>(count);
  return std::to_string(mapped / maps) + " " + std::to_string((all - mapped) / maps);
}

std::string Answer(const std::string& line) {
  static std::map<size_t, Memory> memories;
  std::istringstream request(line);
  std::string what;
  size_t count = 0;
  request >> what >> count;
  if (what == "memory") {
    return MapMemory(count);
  }
  Memory& memory = memories.try_emplace(count, count).first->second;
  if (what == "change") {
    return Change(memory, request);
  }
  return what == "attach" ? Attach(memory, count) : "error: what is " + what + "?";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << Answer(line) << std::endl;
  }
}
