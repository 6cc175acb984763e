#pragma once

#include <cstdint>

namespace dma_streams {

// How many memory areas all reservations make of the process, as the kernel counts them: vm.max_map_count limits them.
// One count for all threads.
int64_t AreasInUse();
void AddAreas(int64_t areas);

// A removal that would make more areas is refused.
void LimitAreas(int64_t limit);
// Whether so many more are within the limit.
bool HasAreasFor(int64_t growth);

}  // namespace dma_streams
