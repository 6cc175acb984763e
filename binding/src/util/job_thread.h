#pragma once

#include <pthread.h>

#include <functional>

namespace dma_streams {

// Starts a thread for some system calls. Returns 0, or an error number of pthread_create(3), negative.
//
// It has all signals blocked: they are for the threads of the program, and here they would only interrupt the kernel in
// its work. Its stack is small: a process that locks all its memory would lock the 8 MiB of the default for each.
int StartJobThread(pthread_t& thread, void* (*run)(void*), void* argument);

// Runs `work` on a thread of its own that nobody waits for: not the caller, not the end of the environment, nor that of
// the process. So it may use nothing that belongs to one of them. Where there can be no thread, or many are at work
// already, it has run when this returns.
void RunDetached(std::function<void()> work);

}  // namespace dma_streams
