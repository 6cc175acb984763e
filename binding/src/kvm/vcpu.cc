#include "kvm/vcpu.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <ctime>

namespace dma_streams {

namespace {

// The signal that takes a vCPU's thread out of the guest. All signals are blocked in that thread (see job_thread.h),
// and KVM_RUN unblocks this one while the guest runs. So it needs no handler, and is never delivered: KVM_RUN ends with
// EINTR, and the signal is taken from the queue. SIGURG, because a process ignores it by default.
constexpr int kKick = SIGURG;

Result LetSignalEndRuns(int vcpu) {
  uapi::KvmSignalMask mask{.len = sizeof(mask.sigset), .sigset = {}};
  const uint64_t blocked = ~(uint64_t{1} << (kKick - 1));
  static_assert(sizeof(mask.sigset) == sizeof(blocked));
  std::memcpy(mask.sigset, &blocked, sizeof(blocked));
  return ::ioctl(vcpu, uapi::kKvmSetSignalMask, &mask) < 0 ? LastError() : 0;
}

// Takes the signal that this thread was sent. It is gone when the program has set the action of the signal to its
// default meanwhile: then this may take one that the process was sent, for another thread, and sends it again.
void TakeKick() {
  // The function of glibc does not tell the two apart: it reports SI_USER for both.
  const uint64_t kick = uint64_t{1} << (kKick - 1);
  const timespec now{};
  siginfo_t info{};
  if (::syscall(SYS_rt_sigtimedwait, &kick, &info, &now, sizeof(kick)) == kKick && info.si_code != SI_TKILL) {
    ::kill(::getpid(), kKick);
  }
}

}  // namespace

Result Vcpu::Create(int vm, uint32_t id, size_t run_size, std::shared_ptr<Vcpu>& out) {
  const int fd = ::ioctl(vm, uapi::kKvmCreateVcpu, static_cast<unsigned long>(id));
  if (fd < 0) {
    return LastError();
  }
  void* run = MAP_FAILED;
  Result result = LetSignalEndRuns(fd);
  if (result == 0) {
    run = run_size < sizeof(uapi::KvmRun) ? MAP_FAILED
                                          : ::mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    result = run != MAP_FAILED ? 0 : run_size < sizeof(uapi::KvmRun) ? -EINVAL : LastError();
  }
  if (result < 0) {
    ::close(fd);
    return result;
  }
  out = std::make_shared<Vcpu>(fd, static_cast<uapi::KvmRun*>(run), run_size);
  return 0;
}

Vcpu::~Vcpu() {
  ::munmap(run_, run_size_);
}

Result Vcpu::Begin(std::span<const uint8_t> answer) {
  const std::lock_guard lock(mutex_);
  if (closed_) {
    return -EBADF;
  }
  if (running_) {
    return -EBUSY;
  }
  if (IsRead()) {
    const std::span<uint8_t> data = Data();
    const size_t given = std::min(data.size(), answer.size());
    std::copy_n(answer.begin(), given, data.begin());
    std::fill(data.begin() + static_cast<std::ptrdiff_t>(given), data.end(), uint8_t{0xff});
  }
  running_ = true;
  asked_ = true;
  changed_.notify_one();
  return 0;
}

bool Vcpu::IsRunning() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

bool Vcpu::Interrupt() {
  const std::lock_guard lock(mutex_);
  if (running_) {
    Kick();
  }
  return running_;
}

void Vcpu::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  if (running_) {
    Kick();
  }
  changed_.notify_one();
}

// The flag ends a KVM_RUN that has not begun; the signal one that has. Under the lock, while the run has not ended.
void Vcpu::Kick() {
  __atomic_store_n(&run_->immediate_exit, 1, __ATOMIC_SEQ_CST);
  if (has_thread_) {
    is_signalled_ = true;
    ::pthread_kill(thread_, kKick);
  }
}

bool Vcpu::IsKicked() const {
  return __atomic_load_n(&run_->immediate_exit, __ATOMIC_SEQ_CST) != 0;
}

Result Vcpu::RunOnce() {
  for (;;) {
    const bool ended = ::ioctl(fd(), uapi::kKvmRun, 0) >= 0;
    const Result error = ended ? 0 : LastError();
    if (ended) {
      return static_cast<Result>(run_->exit_reason & INT32_MAX);
    }
    // EAGAIN: a vCPU that waited for another one to start it was reset or started.
    if (error != -EINTR && error != -EAGAIN) {
      return error;
    }
    if (IsKicked()) {
      return static_cast<Result>(uapi::kKvmExitIntr);
    }
    // Another signal: that of a debugger, or this one for the process, until another thread has taken it.
    ::sched_yield();
  }
}

void Vcpu::Serve(const std::function<bool(Result)>& ended) {
  std::unique_lock lock(mutex_);
  thread_ = ::pthread_self();
  has_thread_ = true;
  for (;;) {
    changed_.wait(lock, [this] { return asked_ || closed_; });
    if (!asked_) {
      break;
    }
    asked_ = false;
    lock.unlock();
    const Result result = RunOnce();
    lock.lock();
    exit_ = result < 0 || result == static_cast<Result>(uapi::kKvmExitIntr) ? 0 : static_cast<uint32_t>(result);
    __atomic_store_n(&run_->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (std::exchange(is_signalled_, false)) {
      TakeKick();
    }
    running_ = false;
    lock.unlock();
    if (!ended(result)) {
      lock.lock();
      break;
    }
    lock.lock();
  }
  has_thread_ = false;
}

bool Vcpu::IsRead() const {
  return (exit_ == uapi::kKvmExitIo && run_->io.direction != uapi::kKvmExitIoOut) ||
         (exit_ == uapi::kKvmExitMmio && run_->mmio.is_write == 0);
}

std::span<uint8_t> Vcpu::Data() const {
  if (exit_ == uapi::kKvmExitMmio) {
    return {run_->mmio.data, std::min<size_t>(run_->mmio.len, sizeof(run_->mmio.data))};
  }
  if (exit_ != uapi::kKvmExitIo) {
    return {};
  }
  const uint64_t offset = run_->io.data_offset;
  const uint64_t length = uint64_t{run_->io.size} * run_->io.count;
  if (offset > run_size_ || length > run_size_ - offset) {
    return {};
  }
  return {reinterpret_cast<uint8_t*>(run_) + offset, static_cast<size_t>(length)};
}

}  // namespace dma_streams
