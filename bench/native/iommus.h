#pragma once

#include <fcntl.h>

#include <cstdint>
#include <string>

#include "loop.h"
#include "memory.h"
#include "uapi/iommufd.h"
#include "uapi/kvm.h"
#include "uapi/vfio.h"

namespace {

namespace uapi = dma_streams::uapi;

// What maps memory: for a device, or for the guest of a VM.
class Iommu {
 public:
  virtual ~Iommu() = default;
  virtual void Map(const Range& range, bool by_file) const = 0;
  virtual void Unmap(const Range& range) const = 0;
};

class Type1 : public Iommu {
 public:
  Type1(const std::string& group, const char* address)
      : container_(Check(::open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), "open /dev/vfio/vfio")),
        group_(Check(::open(("/dev/vfio/" + group).c_str(), O_RDWR | O_CLOEXEC), "open the group")) {
    int container = container_;
    Check(::ioctl(group_, uapi::kVfioGroupSetContainer, &container), "VFIO_GROUP_SET_CONTAINER");
    Check(::ioctl(container_, uapi::kVfioSetIommu, uapi::kVfioType1v2Iommu), "VFIO_SET_IOMMU");
    Check(::ioctl(group_, uapi::kVfioGroupGetDeviceFd, address), "VFIO_GROUP_GET_DEVICE_FD");
  }

  void Map(const Range& range, bool) const override {
    uapi::VfioDmaMap map{.argsz = sizeof(map),
                         .flags = uapi::kVfioDmaMapRead | uapi::kVfioDmaMapWrite,
                         .vaddr = range.va,
                         .iova = range.iova,
                         .size = range.length};
    Check(::ioctl(container_, uapi::kVfioIommuMapDma, &map), "VFIO_IOMMU_MAP_DMA");
  }

  void Unmap(const Range& range) const override {
    uapi::VfioDmaUnmap unmap{.argsz = sizeof(unmap), .flags = 0, .iova = range.iova, .size = range.length};
    Check(::ioctl(container_, uapi::kVfioIommuUnmapDma, &unmap), "VFIO_IOMMU_UNMAP_DMA");
  }

 private:
  const int container_;
  const int group_;
};

class Ioas : public Iommu {
 public:
  explicit Ioas(const std::string& number)
      : iommufd_(Check(::open("/dev/iommu", O_RDWR | O_CLOEXEC), "open /dev/iommu")),
        device_(Check(::open(("/dev/vfio/devices/vfio" + number).c_str(), O_RDWR | O_CLOEXEC), "open the device")) {
    uapi::VfioDeviceBindIommufd bind{.argsz = sizeof(bind), .flags = 0, .iommufd = iommufd_, .out_devid = 0};
    Check(::ioctl(device_, uapi::kVfioDeviceBindIommufd, &bind), "VFIO_DEVICE_BIND_IOMMUFD");
    uapi::IommuIoasAlloc allocate{.size = sizeof(allocate), .flags = 0, .out_ioas_id = 0};
    Check(::ioctl(iommufd_, uapi::kIommuIoasAlloc, &allocate), "IOMMU_IOAS_ALLOC");
    ioas_ = allocate.out_ioas_id;
    uapi::VfioDeviceAttachIommufdPt attach{.argsz = sizeof(attach), .flags = 0, .pt_id = ioas_};
    Check(::ioctl(device_, uapi::kVfioDeviceAttachIommufdPt, &attach), "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
  }

  void Map(const Range& range, bool by_file) const override {
    constexpr uint32_t kFlags = uapi::kIommuMapFixedIova | uapi::kIommuMapReadable | uapi::kIommuMapWriteable;
    if (by_file) {
      uapi::IommuIoasMapFile map{.size = sizeof(map),
                                 .flags = kFlags,
                                 .ioas_id = ioas_,
                                 .fd = kMemory,
                                 .start = range.file_offset,
                                 .length = range.length,
                                 .iova = range.iova};
      Check(::ioctl(iommufd_, uapi::kIommuIoasMapFile, &map), "IOMMU_IOAS_MAP_FILE");
      return;
    }
    uapi::IommuIoasMap map{.size = sizeof(map),
                           .flags = kFlags,
                           .ioas_id = ioas_,
                           .reserved = 0,
                           .user_va = range.va,
                           .length = range.length,
                           .iova = range.iova};
    Check(::ioctl(iommufd_, uapi::kIommuIoasMap, &map), "IOMMU_IOAS_MAP");
  }

  void Unmap(const Range& range) const override {
    uapi::IommuIoasUnmap unmap{.size = sizeof(unmap), .ioas_id = ioas_, .iova = range.iova, .length = range.length};
    Check(::ioctl(iommufd_, uapi::kIommuIoasUnmap, &unmap), "IOMMU_IOAS_UNMAP");
  }

 private:
  const int iommufd_;
  const int device_;
  uint32_t ioas_ = 0;
};

// Memory slots of a VM. The numbers of the slots are those of the places in the memory.
class Slots : public Iommu {
 public:
  Slots()
      : kvm_(Check(::open("/dev/kvm", O_RDWR | O_CLOEXEC), "open /dev/kvm")),
        vm_(Check(::ioctl(kvm_, uapi::kKvmCreateVm, 0), "KVM_CREATE_VM")),
        count_(static_cast<uint32_t>(
            Check(::ioctl(vm_, uapi::kKvmCheckExtension, kKvmCapNrMemslots), "KVM_CHECK_EXTENSION"))) {}

  void Map(const Range& range, bool) const override {
    Set(range, range.length);
  }

  void Unmap(const Range& range) const override {
    Set(range, 0);
  }

 private:
  static constexpr unsigned int kKvmCapNrMemslots = 10;

  void Set(const Range& range, uint64_t size) const {
    const uapi::KvmUserspaceMemoryRegion region{
        .slot = static_cast<uint32_t>((range.file_offset / range.length) % count_),
        .flags = 0,
        .guest_phys_addr = range.iova,
        .memory_size = size,
        .userspace_addr = range.va};
    Check(::ioctl(vm_, uapi::kKvmSetUserMemoryRegion, &region), "KVM_SET_USER_MEMORY_REGION");
  }

  const int kvm_;
  const int vm_;
  const uint32_t count_;
};

}  // namespace
