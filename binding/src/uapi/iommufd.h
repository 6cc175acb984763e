#pragma once

#include <sys/ioctl.h>

#include <cstdint>

// What the addon needs of the kernel's <linux/iommufd.h>; declared here for the reason given in uapi/vfio.h.
namespace dma_streams::uapi {

constexpr unsigned long IommuRequest(unsigned int number) {
  return _IO(';', number);
}
inline constexpr unsigned long kIommuDestroy = IommuRequest(0x80);
inline constexpr unsigned long kIommuIoasAlloc = IommuRequest(0x81);
inline constexpr unsigned long kIommuIoasCopy = IommuRequest(0x83);
inline constexpr unsigned long kIommuIoasIovaRanges = IommuRequest(0x84);
inline constexpr unsigned long kIommuIoasMap = IommuRequest(0x85);
inline constexpr unsigned long kIommuIoasUnmap = IommuRequest(0x86);
inline constexpr unsigned long kIommuIoasMapFile = IommuRequest(0x8f);

struct IommuDestroy {
  uint32_t size;
  uint32_t id;
};
static_assert(sizeof(IommuDestroy) == 8);

struct IommuIoasAlloc {
  uint32_t size;
  uint32_t flags;
  uint32_t out_ioas_id;
};
static_assert(sizeof(IommuIoasAlloc) == 12);

// Both ends are included.
struct IommuIovaRange {
  uint64_t start;
  uint64_t last;
};
static_assert(sizeof(IommuIovaRange) == 16);

struct IommuIoasIovaRanges {
  uint32_t size;
  uint32_t ioas_id;
  // In: room for so many. Out: so many there are.
  uint32_t num_iovas;
  uint32_t reserved;
  uint64_t allowed_iovas;
  uint64_t out_iova_alignment;
};
static_assert(sizeof(IommuIoasIovaRanges) == 32);

inline constexpr uint32_t kIommuMapFixedIova = 1U << 0;
inline constexpr uint32_t kIommuMapWriteable = 1U << 1;
inline constexpr uint32_t kIommuMapReadable = 1U << 2;

struct IommuIoasMap {
  uint32_t size;
  uint32_t flags;
  uint32_t ioas_id;
  uint32_t reserved;
  uint64_t user_va;
  uint64_t length;
  uint64_t iova;
};
static_assert(sizeof(IommuIoasMap) == 40);

struct IommuIoasMapFile {
  uint32_t size;
  uint32_t flags;
  uint32_t ioas_id;
  int32_t fd;
  uint64_t start;
  uint64_t length;
  uint64_t iova;
};
static_assert(sizeof(IommuIoasMapFile) == 40);

struct IommuIoasCopy {
  uint32_t size;
  uint32_t flags;
  uint32_t dst_ioas_id;
  uint32_t src_ioas_id;
  uint64_t length;
  uint64_t dst_iova;
  uint64_t src_iova;
};
static_assert(sizeof(IommuIoasCopy) == 40);

struct IommuIoasUnmap {
  uint32_t size;
  uint32_t ioas_id;
  uint64_t iova;
  // In: how much to unmap. Out: how much was; 0 and 2^64-1 unmap everything.
  uint64_t length;
};
static_assert(sizeof(IommuIoasUnmap) == 24);

}  // namespace dma_streams::uapi
