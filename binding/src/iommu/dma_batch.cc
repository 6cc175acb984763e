#include "iommu/dma_batch.h"

#include <algorithm>
#include <array>
#include <climits>
#include <string>
#include <utility>

#include "iommu/dma_job.h"
#include "memory/address_space.h"
#include "util/arguments.h"
#include "util/open_file.h"

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

bool Unmaps(const DmaRequest& request) {
  return request.kind == RowKind::kUnmap || request.kind == RowKind::kUnmapAll;
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
  if (keeps_addresses_ && block != nullptr && (blocks_.empty() || blocks_.back() != block)) {
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

DmaBatch::DmaBatch(std::span<const double> rows) {
  RowReader reader(true);
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

namespace {

// Runs the rows in place, without a copy: no JavaScript can run in between.
size_t RunNow(const DmaMapper& mapper, std::span<double> rows, std::span<int32_t> results, bool stop_at_failure) {
  RowReader reader(false);
  size_t done = 0;
  for (bool goes_on = true; goes_on && done < rows.size() / kRowLength; ++done) {
    const auto row = rows.subspan(done * kRowLength).first<kRowLength>();
    DmaRequest request = reader.Read(row);
    const Result result = mapper.Run(request);
    if (Unmaps(request)) {
      row[2] = static_cast<double>(request.length);
    }
    if (done < results.size()) {
      results[done] = result;
    }
    goes_on = result == 0 || !stop_at_failure;
  }
  return done;
}

// A function that runs rows: (rows, results, count, stopAtFailure, later). The first `count` rows are run. It answers
// how many were; when they are to be run later, on another thread, a promise of that, or -errno when there can be no
// thread.
//
// It keeps the container or IOAS itself: looking a handle up takes longer than mapping a page.
template <typename MakeMapper>
Napi::Value NewRunner(Napi::Env env, const MakeMapper& make_mapper) {
  auto run = [make_mapper](const Napi::CallbackInfo& info) -> Napi::Value {
    Arguments args(info, "a runner");
    std::span<double> rows = args.Doubles(0);
    const std::span<int32_t> results = args.Int32s(1);
    const uint64_t count = args.Integer(2);
    const bool stop_at_failure = args.Boolean(3);
    const bool later = args.Boolean(4);
    if (!args.ok()) {
      return args.Refused();
    }
    rows = rows.first(std::min<uint64_t>(count, rows.size() / kRowLength) * kRowLength);
    auto mapper = make_mapper();
    if (!later) {
      return Number(info.Env(), static_cast<int64_t>(RunNow(mapper, rows, results, stop_at_failure)));
    }
    return StartDmaJob(info.Env(), std::make_unique<decltype(mapper)>(mapper), DmaBatch(rows), stop_at_failure, info[0],
                       info[1]);
  };
  return Napi::Function::New(env, run, "runner");
}

// A function that runs a single row: (kind, iova, length, source). It answers with -errno, or how many bytes were
// unmapped. Looking into arrays would double what the call takes (see
// `containerRowRunner` in binding/native.ts).
template <typename MakeMapper>
Napi::Value NewRowRunner(Napi::Env env, const MakeMapper& make_mapper) {
  auto run = [make_mapper](const Napi::CallbackInfo& info) -> Napi::Value {
    std::array<double, kRowLength> row{};
    for (size_t column = 0; column < kRowLength; ++column) {
      if (napi_get_value_double(info.Env(), info[column], &row[column]) != napi_ok) {
        Napi::TypeError::New(info.Env(), "a runner: argument " + std::to_string(column) + " is not a number")
            .ThrowAsJavaScriptException();
        return info.Env().Undefined();
      }
    }
    DmaRequest request = RowReader(false).Read(row);
    const Result result = make_mapper().Run(request);
    return Number(info.Env(), result < 0 ? result : Unmaps(request) ? static_cast<int64_t>(request.length) : 0);
  };
  return Napi::Function::New(env, run, "runner");
}

// containerRunner(container): a function that runs rows
Napi::Value ContainerRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "containerRunner");
  const auto container = FileArgument<ContainerKind>(args, 0);
  return args.ok() ? NewRunner(info.Env(), [container] { return ContainerMapper(container->shared()); })
                   : args.Refused();
}

// ioasRunner(iommufd, ioas): a function that runs rows
Napi::Value IoasRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "ioasRunner");
  const uint32_t ioas = args.Uint32(1);
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  return args.ok() ? NewRunner(info.Env(), [iommufd, ioas] { return IoasMapper(iommufd->shared(), ioas); })
                   : args.Refused();
}

// containerRowRunner(container): a function that runs a single row
Napi::Value ContainerRowRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "containerRowRunner");
  const auto container = FileArgument<ContainerKind>(args, 0);
  return args.ok() ? NewRowRunner(info.Env(), [container] { return ContainerMapper(container->shared()); })
                   : args.Refused();
}

// ioasRowRunner(iommufd, ioas): a function that runs a single row
Napi::Value IoasRowRunner(const Napi::CallbackInfo& info) {
  Arguments args(info, "ioasRowRunner");
  const uint32_t ioas = args.Uint32(1);
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  return args.ok() ? NewRowRunner(info.Env(), [iommufd, ioas] { return IoasMapper(iommufd->shared(), ioas); })
                   : args.Refused();
}

}  // namespace

void ExportDmaBatch(Napi::Env env, Napi::Object exports) {
  exports.Set("containerRunner", Napi::Function::New<ContainerRunner>(env, "containerRunner"));
  exports.Set("ioasRunner", Napi::Function::New<IoasRunner>(env, "ioasRunner"));
  exports.Set("containerRowRunner", Napi::Function::New<ContainerRowRunner>(env, "containerRowRunner"));
  exports.Set("ioasRowRunner", Napi::Function::New<IoasRowRunner>(env, "ioasRowRunner"));
}

}  // namespace dma_streams
