#pragma once

#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>

// What the addon needs of the kernel's <linux/kvm.h>; declared here for the reason given in uapi/vfio.h. Registers are
// those of x86-64.
namespace dma_streams::uapi {

inline constexpr unsigned int kKvmIo = 0xae;

inline constexpr unsigned int kKvmApiVersion = 12;
// An extension (KVM_CHECK_EXTENSION).
inline constexpr unsigned long kKvmCapNrMemslots = 10;

struct KvmUserspaceMemoryRegion {
  uint32_t slot;
  uint32_t flags;
  uint64_t guest_phys_addr;
  // 0 deletes the slot.
  uint64_t memory_size;
  uint64_t userspace_addr;
};
static_assert(sizeof(KvmUserspaceMemoryRegion) == 32);

inline constexpr uint32_t kKvmMemLogDirtyPages = 1U << 0;
inline constexpr uint32_t kKvmMemReadonly = 1U << 1;

struct KvmDirtyLog {
  uint32_t slot;
  uint32_t padding;
  // The address of a bitmap, one bit a page, in whole words of 64 bits.
  uint64_t dirty_bitmap;
};
static_assert(sizeof(KvmDirtyLog) == 16);

struct KvmIrqfd {
  uint32_t fd;
  uint32_t gsi;
  uint32_t flags;
  uint32_t resample_fd;
  uint8_t pad[16];
};
static_assert(sizeof(KvmIrqfd) == 32);

inline constexpr uint32_t kKvmIrqfdDeassign = 1U << 0;

struct KvmIoeventfd {
  uint64_t datamatch;
  uint64_t addr;
  uint32_t len;
  int32_t fd;
  uint32_t flags;
  uint8_t pad[36];
};
static_assert(sizeof(KvmIoeventfd) == 64);

inline constexpr uint32_t kKvmIoeventfdDatamatch = 1U << 0;
inline constexpr uint32_t kKvmIoeventfdPio = 1U << 1;
inline constexpr uint32_t kKvmIoeventfdDeassign = 1U << 2;

struct KvmRegs {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
  uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
  uint64_t rip, rflags;
};
static_assert(sizeof(KvmRegs) == 144);

struct KvmSegment {
  uint64_t base;
  uint32_t limit;
  uint16_t selector;
  uint8_t type, present, dpl, db, s, l, g, avl, unusable, padding;
};
static_assert(sizeof(KvmSegment) == 24);

struct KvmDtable {
  uint64_t base;
  uint16_t limit;
  uint16_t padding[3];
};
static_assert(sizeof(KvmDtable) == 16);

struct KvmSregs {
  KvmSegment cs, ds, es, fs, gs, ss, tr, ldt;
  KvmDtable gdt, idt;
  uint64_t cr0, cr2, cr3, cr4, cr8, efer, apic_base;
  uint64_t interrupt_bitmap[4];
};
static_assert(sizeof(KvmSregs) == 312);
static_assert(offsetof(KvmSregs, gdt) == 192 && offsetof(KvmSregs, cr0) == 224);

struct KvmCpuid2 {
  uint32_t nent;
  uint32_t padding;
};
static_assert(sizeof(KvmCpuid2) == 8);

struct KvmCpuidEntry2 {
  uint32_t function, index, flags;
  uint32_t eax, ebx, ecx, edx;
  uint32_t padding[3];
};
static_assert(sizeof(KvmCpuidEntry2) == 40);

struct KvmSignalMask {
  // The size of a signal set as the kernel has it: 8 bytes.
  uint32_t len;
  uint8_t sigset[8];
};
static_assert(offsetof(KvmSignalMask, sigset) == 4);

inline constexpr uint32_t kKvmExitIo = 2;
inline constexpr uint32_t kKvmExitMmio = 6;
inline constexpr uint32_t kKvmExitFailEntry = 9;
inline constexpr uint32_t kKvmExitIntr = 10;
inline constexpr uint32_t kKvmExitInternalError = 17;

inline constexpr uint8_t kKvmExitIoOut = 1;

// The first page of what is mapped of a vCPU's descriptor.
struct KvmRun {
  uint8_t request_interrupt_window;
  // Makes KVM_RUN return at once, with EINTR, after it has completed the instruction of the last exit.
  uint8_t immediate_exit;
  uint8_t padding1[6];
  uint32_t exit_reason;
  uint8_t ready_for_interrupt_injection;
  uint8_t if_flag;
  uint16_t flags;
  uint64_t cr8;
  uint64_t apic_base;
  union {
    struct {
      uint8_t direction;
      uint8_t size;
      uint16_t port;
      uint32_t count;
      // Where the data is, from the start of this structure.
      uint64_t data_offset;
    } io;
    struct {
      uint64_t phys_addr;
      uint8_t data[8];
      uint32_t len;
      uint8_t is_write;
    } mmio;
    struct {
      uint64_t hardware_entry_failure_reason;
      uint32_t cpu;
    } fail_entry;
    struct {
      uint32_t suberror;
      uint32_t ndata;
      uint64_t data[16];
    } internal;
    uint64_t hardware_exit_reason;
  };
};
static_assert(offsetof(KvmRun, immediate_exit) == 1 && offsetof(KvmRun, exit_reason) == 8 &&
              offsetof(KvmRun, io) == 32);
static_assert(offsetof(KvmRun, io.data_offset) == 40 && offsetof(KvmRun, mmio.len) == 48);

// Of /dev/kvm.
inline constexpr unsigned long kKvmGetApiVersion = _IO(kKvmIo, 0x00);
inline constexpr unsigned long kKvmCreateVm = _IO(kKvmIo, 0x01);
inline constexpr unsigned long kKvmCheckExtension = _IO(kKvmIo, 0x03);
inline constexpr unsigned long kKvmGetVcpuMmapSize = _IO(kKvmIo, 0x04);
inline constexpr unsigned long kKvmGetSupportedCpuid = _IOWR(kKvmIo, 0x05, KvmCpuid2);
// Of a VM.
inline constexpr unsigned long kKvmCreateVcpu = _IO(kKvmIo, 0x41);
inline constexpr unsigned long kKvmGetDirtyLog = _IOW(kKvmIo, 0x42, KvmDirtyLog);
inline constexpr unsigned long kKvmSetUserMemoryRegion = _IOW(kKvmIo, 0x46, KvmUserspaceMemoryRegion);
inline constexpr unsigned long kKvmCreateIrqchip = _IO(kKvmIo, 0x60);
inline constexpr unsigned long kKvmIrqfd = _IOW(kKvmIo, 0x76, KvmIrqfd);
inline constexpr unsigned long kKvmIoeventfd = _IOW(kKvmIo, 0x79, KvmIoeventfd);
// Of a vCPU.
inline constexpr unsigned long kKvmRun = _IO(kKvmIo, 0x80);
inline constexpr unsigned long kKvmGetRegs = _IOR(kKvmIo, 0x81, KvmRegs);
inline constexpr unsigned long kKvmSetRegs = _IOW(kKvmIo, 0x82, KvmRegs);
inline constexpr unsigned long kKvmGetSregs = _IOR(kKvmIo, 0x83, KvmSregs);
inline constexpr unsigned long kKvmSetSregs = _IOW(kKvmIo, 0x84, KvmSregs);
inline constexpr unsigned long kKvmSetSignalMask = _IOW(kKvmIo, 0x8b, uint32_t);
inline constexpr unsigned long kKvmSetCpuid2 = _IOW(kKvmIo, 0x90, KvmCpuid2);

}  // namespace dma_streams::uapi
