#pragma once

namespace dma_streams {

// Whether the kernel counts every page of a memory file against a limit when it is first touched
// (vm.overcommit_memory = 2). Above the limit such a touch raises SIGBUS. In the other modes it is never refused.
//
// The setting can change at any time. It is read at most once in 10 milliseconds on each thread, so that a call takes
// a few nanoseconds. Where it cannot be read, it counts as strict.
bool CommitIsStrict();

}  // namespace dma_streams
