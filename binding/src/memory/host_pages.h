#pragma once

#include <cstdint>
#include <string>

#include "util/byte_range.h"

namespace dma_streams {

// The largest size of page that a mapping of this length can consist of: 4 KiB, 2 MiB or 1 GiB. Pages are only used
// where address and file offset are equal modulo their size.
uint64_t LargestPage(uint64_t length);

// Frees the pages of a mapping, a few at a time. A shared file keeps its contents, private memory becomes zeros. The
// kernel may refuse it, of the memory of a device for instance: then nothing happens.
void DropPages(ByteRange addresses);

// What has to be done for new private memory: its name in /proc/self/maps, and that a fork does not copy it.
void PreparePrivate(ByteRange addresses, const std::string& name);

}  // namespace dma_streams
