#pragma once

#include <pthread.h>

namespace dma_streams {

// Starts a thread for some system calls. Returns 0, or an error number of pthread_create(3), negative.
//
// It has all signals blocked: they are for the threads of the program, and here they would only interrupt the kernel in
// its work. Its stack is small: a process that locks all its memory would lock the 8 MiB of the default for each.
int StartJobThread(pthread_t& thread, void* (*run)(void*), void* argument);

}  // namespace dma_streams
