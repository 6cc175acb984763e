#pragma once

#include <cstddef>
#include <cstdint>

#include "util/error.h"

namespace dma_streams {

// Copies between this process and memory of its own whose pages may be missing: of a file that another process has cut
// short, of a file system that is full, or of a device that has been unplugged. Where a load would end the process with
// SIGBUS, the kernel copies and answers -EFAULT.
//
// On failure a part may have been copied: the bytes before `done`.
Result CopyFromFragile(void* to, uint64_t from, size_t length, size_t& done);
Result CopyToFragile(uint64_t to, const void* from, size_t length, size_t& done);

// The same through the file itself, for the memory of a device, which the kernel does not copy by address. `device` is
// the descriptor, `offset` the position in it.
Result CopyFromDevice(int device, uint64_t offset, void* to, size_t length, size_t& done);
Result CopyToDevice(int device, uint64_t offset, const void* from, size_t length, size_t& done);

}  // namespace dma_streams
