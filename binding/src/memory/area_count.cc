#include "memory/area_count.h"

#include <atomic>

namespace dma_streams {

namespace {

std::atomic<int64_t> areas_in_use{0};
std::atomic<int64_t> area_limit{INT64_MAX};

}  // namespace

int64_t AreasInUse() {
  return areas_in_use;
}

void AddAreas(int64_t areas) {
  areas_in_use += areas;
}

void LimitAreas(int64_t limit) {
  area_limit = limit;
}

bool HasAreasFor(int64_t growth) {
  return areas_in_use + growth <= area_limit;
}

}  // namespace dma_streams
