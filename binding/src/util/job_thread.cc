#include "job_thread.h"

#include <csignal>
#include <cstddef>

namespace dma_streams {

namespace {

constexpr size_t kStackSize = size_t{256} << 10;

}  // namespace

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

}  // namespace dma_streams
