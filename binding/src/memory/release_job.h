#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "memory/guest_memory.h"

namespace dma_streams {

// A large release runs on another thread: giving back a gigabyte of pages takes the kernel longer than an event loop
// may stand still.
//
// The pages go first, a few at a time, and only then the mapping itself. So the lock under which the kernel changes a
// process's mappings, and without which no thread can touch memory for the first time, is held for a short time.

// Ends removals that have begun. Returns a promise of the results of all rows, as an Int32Array: `results`, and the
// failure of a removal in place of the 0 of its row. Where there can be no thread, everything is done before this
// returns.
Napi::Value StartReleaseJob(Napi::Env env, std::shared_ptr<GuestMemory> memory, std::vector<Removal> removals,
                            std::vector<Result> results);

// Ends the removals of an address space that was closed: at once when they are small, else on another thread. Failures
// are not reported.
void ReleaseClosed(Napi::Env env, std::shared_ptr<GuestMemory> memory, std::vector<Removal> removals);

}  // namespace dma_streams
