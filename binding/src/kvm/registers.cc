#include "kvm/registers.h"

#include <sys/ioctl.h>

#include <array>
#include <cstring>

#include "uapi/kvm.h"

namespace dma_streams {

namespace {

#if defined(__x86_64__)
constexpr Result kSupported = 0;
#else
constexpr Result kSupported = -EOPNOTSUPP;
#endif

using uapi::KvmDtable;
using uapi::KvmSegment;
using uapi::KvmSregs;

constexpr std::array<KvmSegment KvmSregs::*, 8> kSegments = {&KvmSregs::cs, &KvmSregs::ds, &KvmSregs::es,
                                                             &KvmSregs::fs, &KvmSregs::gs, &KvmSregs::ss,
                                                             &KvmSregs::tr, &KvmSregs::ldt};
constexpr std::array<KvmDtable KvmSregs::*, 2> kTables = {&KvmSregs::gdt, &KvmSregs::idt};
constexpr std::array<uint64_t KvmSregs::*, 7> kControls = {&KvmSregs::cr0,      &KvmSregs::cr2, &KvmSregs::cr3,
                                                           &KvmSregs::cr4,      &KvmSregs::cr8, &KvmSregs::efer,
                                                           &KvmSregs::apic_base};

// A field of the access rights of a segment.
struct Field {
  uint8_t KvmSegment::* member;
  unsigned int shift;
  uint64_t mask;
};
constexpr std::array<Field, 9> kFields = {{{&KvmSegment::type, 0, 15},
                                           {&KvmSegment::s, 4, 1},
                                           {&KvmSegment::dpl, 5, 3},
                                           {&KvmSegment::present, 7, 1},
                                           {&KvmSegment::avl, 12, 1},
                                           {&KvmSegment::l, 13, 1},
                                           {&KvmSegment::db, 14, 1},
                                           {&KvmSegment::g, 15, 1},
                                           {&KvmSegment::unusable, 16, 1}}};

template <typename Registers>
Result Ioctl(int vcpu, unsigned long request, Registers& registers) {
  return ::ioctl(vcpu, request, &registers) < 0 ? LastError() : 0;
}

Result CanDo(size_t numbers, size_t wanted) {
  return kSupported < 0 ? kSupported : numbers < wanted ? -EINVAL : 0;
}

}  // namespace

Result ReadRegisters(int vcpu, std::span<uint64_t> to) {
  uapi::KvmRegs registers{};
  Result result = CanDo(to.size(), kRegisterCount);
  if (result == 0) {
    result = Ioctl(vcpu, uapi::kKvmGetRegs, registers);
  }
  if (result == 0) {
    std::memcpy(to.data(), &registers, sizeof(registers));
  }
  return result;
}

Result WriteRegisters(int vcpu, std::span<const uint64_t> from) {
  const Result result = CanDo(from.size(), kRegisterCount);
  if (result < 0) {
    return result;
  }
  uapi::KvmRegs registers{};
  static_assert(sizeof(registers) == kRegisterCount * sizeof(uint64_t));
  std::memcpy(&registers, from.data(), sizeof(registers));
  return Ioctl(vcpu, uapi::kKvmSetRegs, registers);
}

Result ReadSpecialRegisters(int vcpu, std::span<uint64_t> to) {
  KvmSregs registers{};
  Result result = CanDo(to.size(), kSpecialRegisterCount);
  if (result == 0) {
    result = Ioctl(vcpu, uapi::kKvmGetSregs, registers);
  }
  if (result < 0) {
    return result;
  }
  size_t at = 0;
  for (const auto member : kSegments) {
    const KvmSegment& segment = registers.*member;
    uint64_t access = 0;
    for (const Field& field : kFields) {
      access |= (segment.*field.member & field.mask) << field.shift;
    }
    for (const uint64_t number : {segment.base, uint64_t{segment.limit}, uint64_t{segment.selector}, access}) {
      to[at++] = number;
    }
  }
  for (const auto member : kTables) {
    to[at++] = (registers.*member).base;
    to[at++] = (registers.*member).limit;
  }
  for (const auto member : kControls) {
    to[at++] = registers.*member;
  }
  return 0;
}

// What has no number here, which are pending interrupts, stays as it is.
Result WriteSpecialRegisters(int vcpu, std::span<const uint64_t> from) {
  KvmSregs registers{};
  Result result = CanDo(from.size(), kSpecialRegisterCount);
  if (result == 0) {
    result = Ioctl(vcpu, uapi::kKvmGetSregs, registers);
  }
  if (result < 0) {
    return result;
  }
  size_t at = 0;
  for (const auto member : kSegments) {
    KvmSegment& segment = registers.*member;
    segment.base = from[at++];
    segment.limit = static_cast<uint32_t>(from[at++]);
    segment.selector = static_cast<uint16_t>(from[at++]);
    const uint64_t access = from[at++];
    for (const Field& field : kFields) {
      segment.*field.member = static_cast<uint8_t>((access >> field.shift) & field.mask);
    }
  }
  for (const auto member : kTables) {
    (registers.*member).base = from[at++];
    (registers.*member).limit = static_cast<uint16_t>(from[at++]);
  }
  for (const auto member : kControls) {
    registers.*member = from[at++];
  }
  return Ioctl(vcpu, uapi::kKvmSetSregs, registers);
}

}  // namespace dma_streams
