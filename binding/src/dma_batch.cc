#include "dma_batch.h"

#include <algorithm>
#include <utility>

#include "address_space.h"
#include "dma_job.h"
#include "open_file.h"
#include "util/arguments.h"

namespace dma_streams {

namespace {

constexpr uint64_t kWhatMask = 3;
constexpr uint64_t kWritable = 4;
constexpr unsigned int kSpaceShift = 8;
constexpr uint64_t kSpaceMask = 0xffffff;
constexpr unsigned int kFdShift = 32;

// The host virtual address of guest memory, computed from the reservation that owns it: it never comes from JavaScript.
Result FindVa(const Reservation* space, uint64_t gpa, DmaStep& step) {
  if (space == nullptr) {
    return -EBADF;
  }
  if (step.length == 0 || gpa % kPageSize != 0 || step.length % kPageSize != 0) {
    return -EINVAL;
  }
  if (step.length > space->size() || gpa > space->size() - step.length) {
    return -EFAULT;
  }
  uint64_t at = 0;
  if (space->Check({gpa, gpa + step.length}, step.writable, at) != 0) {
    return -EFAULT;
  }
  step.va = space->base() + gpa;
  return 0;
}

}  // namespace

DmaBatch::DmaBatch(std::span<const uint64_t> rows, const std::vector<std::shared_ptr<Reservation>>& spaces,
                   bool keep_files)
    : keep_files_(keep_files), spaces_(spaces) {
  steps_.reserve(rows.size() / kRowLength);
  results_.reserve(rows.size() / kRowLength);
  for (size_t at = 0; at + kRowLength <= rows.size(); at += kRowLength) {
    steps_.push_back(ReadRow(rows.subspan(at, kRowLength), spaces));
  }
}

DmaStep DmaBatch::ReadRow(std::span<const uint64_t> row, const std::vector<std::shared_ptr<Reservation>>& spaces) {
  const uint64_t what = row[0];
  DmaStep step;
  step.writable = (what & kWritable) != 0;
  step.iova = row[1];
  step.length = row[2];
  switch (what & kWhatMask) {
    case 0:
      step.what = DmaStep::What::kUnmap;
      break;
    case 1: {
      step.what = DmaStep::What::kMapVa;
      const uint64_t index = (what >> kSpaceShift) & kSpaceMask;
      step.refused = FindVa(index < spaces.size() ? spaces[index].get() : nullptr, row[3], step);
      break;
    }
    case 2:
      step.what = DmaStep::What::kMapFile;
      step.fd = static_cast<int>(what >> kFdShift);
      step.file_offset = row[3];
      if (keep_files_) {
        KeepFile(step);
      }
      break;
    default:
      step.what = DmaStep::What::kUnmapAll;
  }
  return step;
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
    Result result = step.refused;
    if (result == 0) {
      const bool maps = step.what == DmaStep::What::kMapVa || step.what == DmaStep::What::kMapFile;
      result = maps ? mapper.Map(step) : mapper.Unmap(step, step.length);
    }
    results_.push_back(result);
    if (result < 0 && stop_at_failure) {
      return;
    }
  }
}

void DmaBatch::CopyOut(std::span<uint64_t> rows, std::span<int32_t> results) const {
  for (size_t index = 0; index < results_.size(); ++index) {
    const DmaStep::What what = steps_[index].what;
    const size_t length_at = index * kRowLength + 2;
    if ((what == DmaStep::What::kUnmap || what == DmaStep::What::kUnmapAll) && length_at < rows.size()) {
      rows[length_at] = steps_[index].length;
    }
    if (index < results.size()) {
      results[index] = results_[index];
    }
  }
}

namespace {

// The arguments that follow those which say where to map: (…, spaces, rows, results, stopAtFailure).
struct BatchArguments {
  BatchArguments(Arguments& args, const Napi::CallbackInfo& info, size_t first)
      : spaces(ReadSpaces(args, first)),
        rows(args.BigUints(first + 1)),
        results(args.Int32s(first + 2)),
        stop_at_failure(args.Boolean(first + 3)),
        rows_value(info[first + 1]),
        results_value(info[first + 2]) {}

  static std::vector<std::shared_ptr<Reservation>> ReadSpaces(Arguments& args, size_t index) {
    std::vector<std::shared_ptr<Reservation>> reservations;
    for (const auto& space : args.Handles<AddressSpace>(index, "an array of address spaces")) {
      reservations.push_back(space->reservation());
    }
    return reservations;
  }

  const std::vector<std::shared_ptr<Reservation>> spaces;
  const std::span<uint64_t> rows;
  const std::span<int32_t> results;
  const bool stop_at_failure;
  const Napi::Value rows_value;
  const Napi::Value results_value;
};

Napi::Value RunNow(Napi::Env env, const DmaMapper& mapper, const BatchArguments& call) {
  DmaBatch batch(call.rows, call.spaces, false);
  batch.Run(mapper, call.stop_at_failure);
  batch.CopyOut(call.rows, call.results);
  return Number(env, static_cast<int64_t>(batch.done()));
}

Napi::Value RunLater(Napi::Env env, std::unique_ptr<DmaMapper> mapper, const BatchArguments& call) {
  return DmaJob::Start(env, std::move(mapper), DmaBatch(call.rows, call.spaces, true), call.stop_at_failure,
                       call.rows_value, call.results_value);
}

// containerBatch(container, spaces, rows, results, stopAtFailure): how many rows were run
Napi::Value ContainerBatch(const Napi::CallbackInfo& info) {
  Arguments args(info, "containerBatch");
  const auto container = FileArgument<ContainerKind>(args, 0);
  const BatchArguments call(args, info, 1);
  return args.ok() ? RunNow(info.Env(), ContainerMapper(container->shared()), call) : args.Refused();
}

// containerBatchAsync(container, spaces, rows, results, stopAtFailure): a promise of how many rows were run
Napi::Value ContainerBatchAsync(const Napi::CallbackInfo& info) {
  Arguments args(info, "containerBatchAsync");
  const auto container = FileArgument<ContainerKind>(args, 0);
  const BatchArguments call(args, info, 1);
  return args.ok() ? RunLater(info.Env(), std::make_unique<ContainerMapper>(container->shared()), call)
                   : args.Refused();
}

// ioasBatch(iommufd, ioas, spaces, rows, results, stopAtFailure): how many rows were run
Napi::Value IoasBatch(const Napi::CallbackInfo& info) {
  Arguments args(info, "ioasBatch");
  const auto iommufd = FileArgument<IommufdKind>(args, 0);
  const auto ioas = static_cast<uint32_t>(args.Integer(1));
  const BatchArguments call(args, info, 2);
  return args.ok() ? RunNow(info.Env(), IoasMapper(iommufd->shared(), ioas), call) : args.Refused();
}

// ioasBatchAsync(iommufd, ioas, spaces, rows, results, stopAtFailure): a promise of how many rows were run
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
