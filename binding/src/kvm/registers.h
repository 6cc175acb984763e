#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "util/error.h"

namespace dma_streams {

// Registers of a vCPU as 64-bit numbers. All functions: 0 | -errno, -EINVAL when there are not as many numbers,
// -EOPNOTSUPP on other processors than x86-64.

// In the order of uapi::KvmRegs.
inline constexpr size_t kRegisterCount = 18;
Result ReadRegisters(int vcpu, std::span<uint64_t> to);
Result WriteRegisters(int vcpu, std::span<const uint64_t> from);

// The segments cs, ds, es, fs, gs, ss, tr, ldt, four numbers each: base, limit, selector, access rights (bits 0 to 3
// type, 4 s, 5 and 6 dpl, 7 present, 12 avl, 13 l, 14 db, 15 g, 16 unusable); gdt and idt: base, limit; cr0, cr2, cr3,
// cr4, cr8, efer, the base of the APIC.
inline constexpr size_t kSpecialRegisterCount = 8 * 4 + 2 * 2 + 7;
Result ReadSpecialRegisters(int vcpu, std::span<uint64_t> to);
Result WriteSpecialRegisters(int vcpu, std::span<const uint64_t> from);

}  // namespace dma_streams
