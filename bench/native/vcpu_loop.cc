// What an exit of a vCPU costs in C++. The guest writes to a port, for ever.
//
// Reads a request a line, answers each with a line: nanoseconds an exit:
//   exits COUNT one    KVM_RUN on this thread
//   exits COUNT two    each run is made by another thread, which is asked for it, and waited for
#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

#include "loop.h"
#include "uapi/kvm.h"

namespace {

namespace uapi = dma_streams::uapi;

constexpr uint64_t kEntry = 0x1000;
constexpr size_t kMemorySize = 0x10000;
// mov dx, 0x3f8; out dx, al; jmp to the out
constexpr std::array<uint8_t, 6> kProgram = {0xba, 0xf8, 0x03, 0xee, 0xeb, 0xfd};

class Guest {
 public:
  Guest()
      : kvm_(Check(::open("/dev/kvm", O_RDWR | O_CLOEXEC), "open /dev/kvm")),
        vm_(Check(::ioctl(kvm_, uapi::kKvmCreateVm, 0), "KVM_CREATE_VM")),
        vcpu_(Check(::ioctl(vm_, uapi::kKvmCreateVcpu, 0), "KVM_CREATE_VCPU")) {
    void* memory = ::mmap(nullptr, kMemorySize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const auto run_size =
        static_cast<size_t>(Check(::ioctl(kvm_, uapi::kKvmGetVcpuMmapSize, 0), "KVM_GET_VCPU_MMAP_SIZE"));
    void* run = ::mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_, 0);
    if (memory == MAP_FAILED || run == MAP_FAILED) {
      Fail("mmap");
    }
    run_ = static_cast<const uapi::KvmRun*>(run);
    std::memcpy(static_cast<uint8_t*>(memory) + kEntry, kProgram.data(), kProgram.size());
    const uapi::KvmUserspaceMemoryRegion region{.slot = 0,
                                                .flags = 0,
                                                .guest_phys_addr = 0,
                                                .memory_size = kMemorySize,
                                                .userspace_addr = reinterpret_cast<uintptr_t>(memory)};
    Check(::ioctl(vm_, uapi::kKvmSetUserMemoryRegion, &region), "KVM_SET_USER_MEMORY_REGION");
    uapi::KvmSregs special{};
    Check(::ioctl(vcpu_, uapi::kKvmGetSregs, &special), "KVM_GET_SREGS");
    special.cs.base = 0;
    special.cs.selector = 0;
    Check(::ioctl(vcpu_, uapi::kKvmSetSregs, &special), "KVM_SET_SREGS");
    uapi::KvmRegs registers{};
    registers.rip = kEntry;
    registers.rflags = 2;
    Check(::ioctl(vcpu_, uapi::kKvmSetRegs, &registers), "KVM_SET_REGS");
  }

  void Run() const {
    Check(::ioctl(vcpu_, uapi::kKvmRun, 0), "KVM_RUN");
    if (run_->exit_reason != uapi::kKvmExitIo) {
      throw std::runtime_error("exit " + std::to_string(run_->exit_reason));
    }
  }

 private:
  const int kvm_;
  const int vm_;
  const int vcpu_;
  const uapi::KvmRun* run_ = nullptr;
};

// A thread that makes a run each time it is asked, as the addon does.
class Runner {
 public:
  explicit Runner(const Guest& guest) : guest_(guest), thread_([this] { Serve(); }) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    asked_.notify_one();
    thread_.join();
  }

  void Run() {
    std::unique_lock lock(mutex_);
    is_asked_ = true;
    asked_.notify_one();
    ended_.wait(lock, [this] { return !is_asked_; });
  }

 private:
  void Serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      asked_.wait(lock, [this] { return is_asked_ || is_closed_; });
      if (is_closed_) {
        return;
      }
      lock.unlock();
      guest_.Run();
      lock.lock();
      is_asked_ = false;
      ended_.notify_one();
    }
  }

  const Guest& guest_;
  std::mutex mutex_;
  std::condition_variable asked_;
  std::condition_variable ended_;
  bool is_asked_ = false;
  bool is_closed_ = false;
  std::thread thread_;
};

template <typename Run>
double Exits(uint64_t count, Run run) {
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t done = 0; done < count; ++done) {
    run();
  }
  return NanosecondsSince(start) / static_cast<double>(count);
}

double Answer(const Guest& guest, std::istream& request) {
  std::string what;
  std::string threads;
  uint64_t count = 0;
  request >> what >> count >> threads;
  if (threads != "two") {
    return Exits(count, [&] { guest.Run(); });
  }
  Runner runner(guest);
  runner.Run();
  return Exits(count, [&] { runner.Run(); });
}

}  // namespace

int main() {
  try {
    const Guest guest;
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream request(line);
      std::cout << std::to_string(Answer(guest, request)) << std::endl;
    }
  } catch (const std::exception& error) {
    std::cout << "error: " << error.what() << std::endl;
    return 1;
  }
}
