#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "uapi/kvm.h"
#include "util/error.h"
#include "util/file_descriptor.h"

namespace dma_streams {

// A vCPU of a VM: its descriptor, the page that it shares with the kernel, and its runs. One thread runs it; every
// other call is made on the thread of the environment.
class Vcpu {
 public:
  static Result Create(int vm, uint32_t id, size_t run_size, std::shared_ptr<Vcpu>& out);

  // For make_shared; use Create.
  Vcpu(int fd, uapi::KvmRun* run, size_t run_size) : fd_(fd), run_(run), run_size_(run_size) {}
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;
  ~Vcpu();

  int fd() const {
    return fd_.get();
  }

  // Asks for one run. `answer` is what the guest reads, when the last exit was a read; where it is too short, all bits
  // are ones, as on a bus without a device. -EBUSY while it runs, -EBADF once closed.
  Result Begin(std::span<const uint8_t> answer);
  // Whether a run was asked for and has not ended. Calls of the kernel would wait for its end.
  bool IsRunning() const;
  // Ends the run, if there is one. Returns whether there was.
  bool Interrupt();
  // The run, if there is one, is interrupted, and there are no more.
  void Close();

  // Serves the runs, on the thread of the vCPU, until it is closed. `ended` is called with the result of each: the
  // number of the exit (KVM_EXIT_…), or -errno; KVM_EXIT_INTR when it was interrupted. It returns false when it must
  // not be called again.
  void Serve(const std::function<bool(Result)>& ended);

  // What the last run has ended with. Not while it runs.
  const uapi::KvmRun& last() const {
    return *run_;
  }
  // The data of the last exit: what the guest has written, or room for what it reads.
  std::span<uint8_t> Data() const;
  bool IsRead() const;

 private:
  Result RunOnce();
  bool IsKicked() const;
  void Kick();

  const FileDescriptor fd_;
  uapi::KvmRun* const run_;
  const size_t run_size_;
  // The exit of the last run; 0 when there was none, or it was interrupted.
  uint32_t exit_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool running_ = false;
  bool asked_ = false;
  bool closed_ = false;
  bool has_thread_ = false;
  // Whether the thread was sent the signal since it last took it.
  bool is_signalled_ = false;
  pthread_t thread_{};
};

}  // namespace dma_streams
