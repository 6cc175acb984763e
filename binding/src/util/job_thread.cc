#include "util/job_thread.h"

#include <atomic>
#include <csignal>
#include <cstddef>
#include <memory>
#include <utility>

namespace dma_streams {

namespace {

constexpr size_t kStackSize = size_t{256} << 10;

constexpr int kMostDetached = 8;

std::atomic<int> detached{0};

thread_local bool is_job_thread = false;

void* RunWork(void* work) {
  EnterJobThread();
  const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(work));
  (*owned)();
  --detached;
  return nullptr;
}

}  // namespace

bool IsJobThread() {
  return is_job_thread;
}

void EnterJobThread() {
  pthread_setname_np(pthread_self(), "dma-streams");
  is_job_thread = true;
}

int StartJobThread(pthread_t& thread, void* (*run)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int result = pthread_create(&thread, &attributes, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return -result;
}

void RunDetached(std::function<void()> work) {
  auto owned = std::make_unique<std::function<void()>>(std::move(work));
  pthread_t thread{};
  if (++detached <= kMostDetached && StartJobThread(thread, RunWork, owned.get()) == 0) {
    owned.release();  // NOLINT(bugprone-unused-return-value): RunWork takes it over
    pthread_detach(thread);
    return;
  }
  --detached;
  (*owned)();
}

}  // namespace dma_streams
