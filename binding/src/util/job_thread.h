#pragma once

#include <pthread.h>

#include <functional>

namespace dma_streams {

// Starts a thread for some system calls. Returns 0, or an error number of pthread_create(3), negative.
//
// All signals are blocked in it: they are for the threads of the program, and would interrupt long system calls here.
// Its stack is small: a process that locks all its memory would lock the default of 8 MiB for each thread.
int StartJobThread(pthread_t& thread, void* (*run)(void*), void* argument);

// The first call of such a thread: names it.
void EnterJobThread();
// Whether this thread has made that call. It may then make calls that take long, since no event loop runs on it.
bool IsJobThread();

// Runs `work` on a detached thread: neither the caller, nor the end of the environment or of the process waits for it.
// So it may use nothing that belongs to one of them. Where no thread can be started, or several are running already,
// `work` has run when this returns.
void RunDetached(std::function<void()> work);

}  // namespace dma_streams
