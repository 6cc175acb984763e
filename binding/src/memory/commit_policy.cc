#include "memory/commit_policy.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <ctime>

namespace dma_streams {

namespace {

constexpr const char* kSetting = "/proc/sys/vm/overcommit_memory";
constexpr int64_t kReadAgainAfter = 10'000'000;  // nanoseconds

struct Known {
  bool strict = true;
  int64_t until = 0;
};

thread_local Known known;

int64_t Now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

bool ReadSetting() {
  const int fd = ::open(kSetting, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return true;
  }
  char mode = '2';
  const bool whole = ::read(fd, &mode, 1) == 1;
  ::close(fd);
  return !whole || mode == '2';
}

}  // namespace

bool CommitIsStrict() {
  const int64_t now = Now();
  if (now >= known.until) {
    known = {ReadSetting(), now + kReadAgainAfter};
  }
  return known.strict;
}

}  // namespace dma_streams
