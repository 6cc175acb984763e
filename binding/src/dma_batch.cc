#include "dma_batch.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <utility>

#include "address_space.h"
#include "dma_job.h"
#include "open_file.h"
#include "util/arguments.h"

namespace dma_streams {

namespace {

constexpr uint64_t kWhatMask = 7;
constexpr uint64_t kWritable = 8;
constexpr unsigned int kIndexShift = 4;
constexpr double kAddressLimit = 18446744073709551616.0;  // 2^64

// False when it is not an integer in [0, 2^64).
bool ToInteger(double number, uint64_t& integer) {
  if (!(number >= 0 && number < kAddressLimit) || std::trunc(number) != number) {
    return false;
  }
  integer = static_cast<uint64_t>(number);
  return true;
}

bool Unmaps(const DmaStep& step) {
  return step.what == DmaStep::What::kUnmap || step.what == DmaStep::What::kUnmapAll;
}

}  // namespace

RowReader::RowReader(const Reservations& spaces) : spaces_(spaces) {
  walks_.reserve(spaces.size());
  for (const auto& space : spaces) {
    walks_.push_back(space == nullptr ? std::nullopt : std::optional<Reservation::Walk>(*space));
  }
}

// The host virtual address of guest memory, computed from the reservation that owns it: it never comes from JavaScript.
Result RowReader::FindVa(size_t space, uint64_t gpa, DmaStep& step) {
  if (space >= walks_.size() || !walks_[space].has_value()) {
    return -EBADF;
  }
  if (step.length == 0 || gpa % kPageSize != 0 || step.length % kPageSize != 0) {
    return -EINVAL;
  }
  const Reservation& reservation = *spaces_[space];
  if (step.length > reservation.size() || gpa > reservation.size() - step.length ||
      walks_[space]->Check({gpa, gpa + step.length}, step.writable) != 0) {
    return -EFAULT;
  }
  step.va = reservation.base() + gpa;
  return 0;
}

DmaStep RowReader::Read(std::span<const double, kRowLength> row) {
  DmaStep step;
  uint64_t what = 0;
  uint64_t source = 0;
  if (!ToInteger(row[0], what) || !ToInteger(row[1], step.iova) || !ToInteger(row[2], step.length) ||
      !ToInteger(row[3], source)) {
    step.refused = -EINVAL;
    return step;
  }
  step.writable = (what & kWritable) != 0;
  const uint64_t index = what >> kIndexShift;
  switch (what & kWhatMask) {
    case 0:
      step.what = DmaStep::What::kUnmap;
      break;
    case 1:
      step.what = DmaStep::What::kMapVa;
      step.refused = FindVa(index, source, step);
      break;
    case 2:
      step.what = DmaStep::What::kMapFile;
      step.refused = index > INT_MAX ? -EBADF : 0;
      step.fd = static_cast<int>(index & INT_MAX);
      step.file_offset = source;
      break;
    case 3:
      step.what = DmaStep::What::kUnmapAll;
      break;
    case 4:
      step.what = DmaStep::What::kCopy;
      step.refused = index > UINT32_MAX ? -ENOENT : 0;
      step.source_ioas = static_cast<uint32_t>(index);
      step.source_iova = source;
      break;
    default:
      step.refused = -EINVAL;
  }
  return step;
}

DmaBatch::DmaBatch(std::span<const double> rows, Reservations spaces) : spaces_(std::move(spaces)) {
  RowReader reader(spaces_);
  steps_.reserve(rows.size() / kRowLength);
  results_.reserve(rows.size() / kRowLength);
  for (size_t at = 0; at + kRowLength <= rows.size(); at += kRowLength) {
    DmaStep& step = steps_.emplace_back(reader.Read(rows.subspan(at).first<kRowLength>()));
    if (step.what == DmaStep::What::kMapFile && step.refused == 0) {
      KeepFile(step);
    }
  }
}

void DmaBatch::KeepFile(DmaStep& step) {
  // The last one first: a batch often maps many ranges of one file.
  const auto kept =
      std::find_if(files_.rbegin(), files_.rend(), [&](const auto& file) { return file.first == step.fd; });
  if (kept != files_.rend()) {
    step.fd = kept->second->get();
    return;
  }
  std::shared_ptr<FileDescriptor> copy;
  step.refused = FileDescriptor::Duplicate(step.fd, copy);
  if (step.refused == 0) {
    const int original = step.fd;
    step.fd = copy->get();
    files_.emplace_back(original, std::move(copy));
  }
}

void DmaBatch::Run(const DmaMapper& mapper, bool stop_at_failure) {
  for (DmaStep& step : steps_) {
    results_.push_back(mapper.Make(step));
    if (results_.back() < 0 && stop_at_failure) {
      return;
    }
  }
}

void DmaBatch::CopyOut(std::span<double> rows, std::span<int32_t> results) const {
  for (size_t index = 0; index < results_.size(); ++index) {
    const size_t length_at = index * kRowLength + 2;
    if (Unmaps(steps_[index]) && length_at < rows.size()) {
      rows[length_at] = static_cast<double>(steps_[index].length);
    }
    if (index < results.size()) {
      results[index] = results_[index];
    }
  }
}

namespace {

// The arguments that follow those which say where to map: (…, spaces, rows, results, count, stopAtFailure). `count` is
// how many of the rows are run.
struct BatchArguments {
  BatchArguments(Arguments& args, const Napi::CallbackInfo& info, size_t first)
      : spaces(ReadSpaces(args, first)),
        rows(args.Doubles(first + 1)),
        results(args.Int32s(first + 2)),
        count(args.Integer(first + 3)),
        stop_at_failure(args.Boolean(first + 4)),
        rows_value(info[first + 1]),
        results_value(info[first + 2]) {
    rows = rows.first(std::min<uint64_t>(count, rows.size() / kRowLength) * kRowLength);
  }

  static Reservations ReadSpaces(Arguments& args, size_t index) {
    Reservations reservations;
    for (const auto& space : args.Handles<AddressSpace>(index, "an array of address spaces")) {
      reservations.push_back(space->reservation());
    }
    return reservations;
  }

  const Reservations spaces;
  std::span<double> rows;
  const std::span<int32_t> results;
  const uint64_t count;
  const bool stop_at_failure;
  const Napi::Value rows_value;
  const Napi::Value results_value;
};

// Row by row, without a copy of them: nothing of JavaScript runs meanwhile.
Napi::Value RunNow(Napi::Env env, const DmaMapper& mapper, const BatchArguments& call) {
  RowReader reader(call.spaces);
  size_t done = 0;
  for (bool goes_on = true; goes_on && done < call.rows.size() / kRowLength; ++done) {
    const auto row = call.rows.subspan(done * kRowLength).first<kRowLength>();
    DmaStep step = reader.Read(row);
    const Result result = mapper.Make(step);
    if (Unmaps(step)) {
      row[2] = static_cast<double>(step.length);
    }
    if (done < call.results.size()) {
      call.results[done] = result;
    }
    goes_on = result == 0 || !call.stop_at_failure;
  }
  return Number(env, static_cast<int64_t>(done));
}

Napi::Value RunLater(Napi::Env env, std::unique_ptr<DmaMapper> mapper, const BatchArguments& call) {
  return DmaJob::Start(env, std::move(mapper), DmaBatch(call.rows, call.spaces), call.stop_at_failure, call.rows_value,
                       call.results_value);
}

// containerBatch(container, spaces, rows, results, count, stopAtFailure): how many rows were run
Napi::Value ContainerBatch(const Napi::CallbackInfo& info) {
  Arguments args(info, "containerBatch");
  const auto container = FileArgument<ContainerKind>(args, 0);
  const BatchArguments call(args, info, 1);
  return args.ok() ? RunNow(info.Env(), ContainerMapper(container->shared()), call) : args.Refused();
}

// containerBatchAsync(container, spaces, rows, results, count, stopAtFailure): a promise of how many rows were run |
// -errno when there can be no thread for it
Napi::Value ContainerBatchAsync(const Napi::CallbackInfo& info) {
  Arguments args(info, "containerBatchAsync");
  const auto container = FileArgument<ContainerKind>(args, 0);
  const BatchArguments call(args, info, 1);
  return args.ok() ? RunLater(info.Env(), std::make_unique<ContainerMapper>(container->shared()), call)
                   : args.Refused();
}

// ioasBatch(iommufd, ioas, spaces, rows, results, count, stopAtFailure): how many rows were run
Napi::Value IoasBatch(const Napi::CallbackInfo& info) {
  Arguments args(info, "ioasBatch");
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  const auto ioas = static_cast<uint32_t>(args.Integer(1));
  const BatchArguments call(args, info, 2);
  return args.ok() ? RunNow(info.Env(), IoasMapper(iommufd->shared(), ioas), call) : args.Refused();
}

// ioasBatchAsync(iommufd, ioas, spaces, rows, results, count, stopAtFailure): a promise of how many rows were run |
// -errno when there can be no thread for it
Napi::Value IoasBatchAsync(const Napi::CallbackInfo& info) {
  Arguments args(info, "ioasBatchAsync");
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  const auto ioas = static_cast<uint32_t>(args.Integer(1));
  const BatchArguments call(args, info, 2);
  return args.ok() ? RunLater(info.Env(), std::make_unique<IoasMapper>(iommufd->shared(), ioas), call) : args.Refused();
}

}  // namespace

void ExportDmaBatch(Napi::Env env, Napi::Object exports) {
  exports.Set("containerBatch", Napi::Function::New<ContainerBatch>(env, "containerBatch"));
  exports.Set("containerBatchAsync", Napi::Function::New<ContainerBatchAsync>(env, "containerBatchAsync"));
  exports.Set("ioasBatch", Napi::Function::New<IoasBatch>(env, "ioasBatch"));
  exports.Set("ioasBatchAsync", Napi::Function::New<IoasBatchAsync>(env, "ioasBatchAsync"));
}

}  // namespace dma_streams
