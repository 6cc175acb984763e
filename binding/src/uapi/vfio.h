#pragma once

#include <sys/ioctl.h>

#include <cstdint>

// What the addon needs of the kernel's <linux/vfio.h>, declared here because a machine's own header may be older than
// its kernel. The ABI is fixed: sizes are asserted, and every structure says its own size to the kernel in `argsz`.
namespace dma_streams::uapi {

inline constexpr int kVfioApiVersion = 0;
inline constexpr int kVfioType1v2Iommu = 3;

constexpr unsigned long VfioRequest(unsigned int number) {
  return _IO(';', 100 + number);
}
inline constexpr unsigned long kVfioGetApiVersion = VfioRequest(0);
inline constexpr unsigned long kVfioCheckExtension = VfioRequest(1);
inline constexpr unsigned long kVfioSetIommu = VfioRequest(2);
inline constexpr unsigned long kVfioGroupGetStatus = VfioRequest(3);
inline constexpr unsigned long kVfioGroupSetContainer = VfioRequest(4);
inline constexpr unsigned long kVfioGroupUnsetContainer = VfioRequest(5);
inline constexpr unsigned long kVfioGroupGetDeviceFd = VfioRequest(6);
inline constexpr unsigned long kVfioDeviceGetRegionInfo = VfioRequest(8);
inline constexpr unsigned long kVfioDeviceReset = VfioRequest(11);
// The number 12 upwards is used once for containers and once for devices.
inline constexpr unsigned long kVfioIommuGetInfo = VfioRequest(12);
inline constexpr unsigned long kVfioIommuMapDma = VfioRequest(13);
inline constexpr unsigned long kVfioIommuUnmapDma = VfioRequest(14);
inline constexpr unsigned long kVfioDeviceBindIommufd = VfioRequest(18);
inline constexpr unsigned long kVfioDeviceAttachIommufdPt = VfioRequest(19);
inline constexpr unsigned long kVfioDeviceDetachIommufdPt = VfioRequest(20);

struct VfioGroupStatus {
  uint32_t argsz;
  uint32_t flags;
};
static_assert(sizeof(VfioGroupStatus) == 8);

struct VfioRegionInfo {
  uint32_t argsz;
  uint32_t flags;
  uint32_t index;
  uint32_t cap_offset;
  uint64_t size;
  uint64_t offset;
};
static_assert(sizeof(VfioRegionInfo) == 32);

struct VfioDeviceBindIommufd {
  uint32_t argsz;
  uint32_t flags;
  int32_t iommufd;
  uint32_t out_devid;
};
static_assert(sizeof(VfioDeviceBindIommufd) == 16);

struct VfioDeviceAttachIommufdPt {
  uint32_t argsz;
  uint32_t flags;
  // In: an IOAS. Out: the page table that the kernel made for it; so set it anew for every call.
  uint32_t pt_id;
};
static_assert(sizeof(VfioDeviceAttachIommufdPt) == 12);

struct VfioDeviceDetachIommufdPt {
  uint32_t argsz;
  uint32_t flags;
};
static_assert(sizeof(VfioDeviceDetachIommufdPt) == 8);

inline constexpr uint32_t kVfioIommuInfoPgsizes = 1U << 0;
inline constexpr uint32_t kVfioIommuInfoCaps = 1U << 1;

struct VfioIommuType1Info {
  uint32_t argsz;
  uint32_t flags;
  uint64_t iova_pgsizes;
  uint32_t cap_offset;
  uint32_t pad;
};
static_assert(sizeof(VfioIommuType1Info) == 24);

struct VfioInfoCapHeader {
  uint16_t id;
  uint16_t version;
  // Offset of the next one in the whole structure; 0 ends the list.
  uint32_t next;
};
static_assert(sizeof(VfioInfoCapHeader) == 8);

inline constexpr uint16_t kVfioCapIovaRange = 1;
inline constexpr uint16_t kVfioCapDmaAvail = 3;

// Followed by nr_iovas ranges.
struct VfioCapIovaRange {
  VfioInfoCapHeader header;
  uint32_t nr_iovas;
  uint32_t reserved;
};
static_assert(sizeof(VfioCapIovaRange) == 16);

// Both ends are included.
struct VfioIovaRange {
  uint64_t start;
  uint64_t end;
};
static_assert(sizeof(VfioIovaRange) == 16);

struct VfioCapDmaAvail {
  VfioInfoCapHeader header;
  uint32_t avail;
};
static_assert(sizeof(VfioCapDmaAvail) == 12);

inline constexpr uint32_t kVfioDmaMapRead = 1U << 0;
inline constexpr uint32_t kVfioDmaMapWrite = 1U << 1;
inline constexpr uint32_t kVfioDmaUnmapAll = 1U << 1;

struct VfioDmaMap {
  uint32_t argsz;
  uint32_t flags;
  uint64_t vaddr;
  uint64_t iova;
  uint64_t size;
};
static_assert(sizeof(VfioDmaMap) == 32);

struct VfioDmaUnmap {
  uint32_t argsz;
  uint32_t flags;
  uint64_t iova;
  // In: how much to unmap. Out: how much was.
  uint64_t size;
};
static_assert(sizeof(VfioDmaUnmap) == 24);

}  // namespace dma_streams::uapi
