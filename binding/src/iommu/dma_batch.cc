#include "iommu/dma_batch.h"

#include <algorithm>
#include <climits>
#include <utility>

#include "memory/address_space.h"

namespace dma_streams {

namespace {

constexpr uint64_t kKindMask = 7;
constexpr uint64_t kWritable = 8;
constexpr unsigned int kIndexShift = 4;
constexpr double kAddressLimit = 18446744073709551616.0;  // 2^64

// False when it is not an integer in [0, 2^64).
bool ToInteger(double number, uint64_t& integer) {
  if (!(number >= 0 && number < kAddressLimit)) {
    return false;
  }
  integer = static_cast<uint64_t>(number);
  return static_cast<double>(integer) == number;
}

}  // namespace

RowReader::Space* RowReader::FindSpace(uint64_t id) {
  // The last one first: a batch often maps many ranges of one.
  const auto known =
      std::find_if(spaces_.rbegin(), spaces_.rend(), [id](const Space& space) { return space.id == id; });
  if (known != spaces_.rend()) {
    return &*known;
  }
  const std::shared_ptr<GuestMemory> memory = AddressSpace::Find(id);
  return memory == nullptr ? nullptr : &spaces_.emplace_back(Space{id, memory, MappingTable::Walk(memory->table())});
}

// The host virtual address of guest memory, from the object that owns it: it never comes from JavaScript.
Result RowReader::FindVa(uint64_t id, uint64_t gpa, DmaRequest& request) {
  Space* space = FindSpace(id);
  if (space == nullptr) {
    return -EBADF;
  }
  if (request.length == 0 || gpa % kPageSize != 0 || request.length % kPageSize != 0) {
    return -EINVAL;
  }
  const GuestMemory& memory = *space->memory;
  if (request.length > memory.size() || gpa > memory.size() - request.length ||
      space->walk.Check({gpa, gpa + request.length}, request.writable, request.va) != 0) {
    return -EFAULT;
  }
  const std::shared_ptr<RamBlock>& block = space->walk.block();
  if (keep_ == Keep::kWithRequest) {
    request.memory = block == nullptr ? std::shared_ptr<const void>(space->memory) : block;
  }
  if (keep_ == Keep::kUntilRun && block != nullptr && (blocks_.empty() || blocks_.back() != block)) {
    blocks_.push_back(block);
  }
  return 0;
}

std::vector<std::shared_ptr<const void>> RowReader::Owners() const {
  std::vector<std::shared_ptr<const void>> owners(blocks_.begin(), blocks_.end());
  for (const Space& space : spaces_) {
    owners.push_back(space.memory);
  }
  return owners;
}

DmaRequest RowReader::Read(std::span<const double, kRowLength> row) {
  DmaRequest request;
  uint64_t kind = 0;
  uint64_t source = 0;
  if (!ToInteger(row[0], kind) || !ToInteger(row[1], request.iova) || !ToInteger(row[2], request.length) ||
      !ToInteger(row[3], source)) {
    request.refused = -EINVAL;
    return request;
  }
  request.kind = static_cast<RowKind>(kind & kKindMask);
  request.writable = (kind & kWritable) != 0;
  const uint64_t index = kind >> kIndexShift;
  switch (request.kind) {
    case RowKind::kUnmap:
    case RowKind::kUnmapAll:
      break;
    case RowKind::kMapVa:
      request.refused = FindVa(index, source, request);
      break;
    case RowKind::kMapFile:
      request.refused = index > INT_MAX ? -EBADF : 0;
      request.fd = static_cast<int>(index & INT_MAX);
      request.file_offset = source;
      break;
    case RowKind::kCopy:
      request.refused = index > UINT32_MAX ? -ENOENT : 0;
      request.source_ioas = static_cast<uint32_t>(index);
      request.source_iova = source;
      break;
    default:
      request.kind = RowKind::kInvalid;
      request.refused = -EINVAL;
  }
  return request;
}

DmaBatch::DmaBatch(std::span<const double> rows, bool keeps_memory) {
  RowReader reader(keeps_memory ? Keep::kWithRequest : Keep::kUntilRun);
  requests_.reserve(rows.size() / kRowLength);
  results_.reserve(rows.size() / kRowLength);
  for (size_t at = 0; at + kRowLength <= rows.size(); at += kRowLength) {
    DmaRequest& request = requests_.emplace_back(reader.Read(rows.subspan(at).first<kRowLength>()));
    if (request.kind == RowKind::kMapFile && request.refused == 0) {
      KeepFile(request);
    }
  }
  owners_ = reader.Owners();
}

void DmaBatch::DropReferences() {
  for (DmaRequest& request : requests_) {
    request.memory.reset();
  }
  owners_.clear();
  files_.clear();
}

void DmaBatch::KeepFile(DmaRequest& request) {
  // The last one first: a batch often maps many ranges of one file.
  const auto kept =
      std::find_if(files_.rbegin(), files_.rend(), [&](const auto& file) { return file.first == request.fd; });
  if (kept != files_.rend()) {
    request.fd = kept->second->get();
    return;
  }
  std::shared_ptr<FileDescriptor> copy;
  request.refused = FileDescriptor::Duplicate(request.fd, copy);
  if (request.refused == 0) {
    const int original = request.fd;
    request.fd = copy->get();
    files_.emplace_back(original, std::move(copy));
  }
}

void DmaBatch::Run(const DmaMapper& mapper, bool stop_at_failure) {
  for (DmaRequest& request : requests_) {
    results_.push_back(mapper.Run(request));
    if (results_.back() < 0 && stop_at_failure) {
      return;
    }
  }
}

void DmaBatch::CopyOut(std::span<double> rows, std::span<int32_t> results) const {
  for (size_t index = 0; index < results_.size(); ++index) {
    const size_t length_at = index * kRowLength + 2;
    if (Unmaps(requests_[index]) && length_at < rows.size()) {
      rows[length_at] = static_cast<double>(requests_[index].length);
    }
    if (index < results.size()) {
      results[index] = results_[index];
    }
  }
}

}  // namespace dma_streams
