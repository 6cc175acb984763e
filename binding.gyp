{
  "variables": {
    # 1: with address and undefined-behaviour checks (see spec/binding/with-sanitizers.sh)
    "sanitize%": 0,
  },
  "targets": [
    {
      "target_name": "dma_streams",
      "sources": [
        "binding/src/iommu/dma_batch.cc",
        "binding/src/iommu/dma_job.cc",
        "binding/src/iommu/dma_request.cc",
        "binding/src/iommu/iommufd.cc",
        "binding/src/iommu/vfio_container.cc",
        "binding/src/iommu/vfio_device.cc",
        "binding/src/iommu/vfio_group.cc",
        "binding/src/memory/address_space.cc",
        "binding/src/memory/address_space_functions.cc",
        "binding/src/memory/address_space_rows.cc",
        "binding/src/memory/area_count.cc",
        "binding/src/memory/commit_policy.cc",
        "binding/src/memory/file_facts.cc",
        "binding/src/memory/host_blocks.cc",
        "binding/src/memory/mapping_areas.cc",
        "binding/src/memory/mapping_table.cc",
        "binding/src/memory/memfd.cc",
        "binding/src/memory/memory_view.cc",
        "binding/src/memory/release_job.cc",
        "binding/src/memory/reservation.cc",
        "binding/src/memory/reservation_copy.cc",
        "binding/src/memory/reservation_removal.cc",
        "binding/src/memory/safe_copy.cc",
        "binding/src/module.cc",
        "binding/src/util/arguments.cc",
        "binding/src/util/environment_end.cc",
        "binding/src/util/file_descriptor.cc",
        "binding/src/util/job.cc",
        "binding/src/util/job_thread.cc",
      ],
      "include_dirs": ["binding/src", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        # A worker that is being terminated refuses exceptions: that must not end the process.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "_FILE_OFFSET_BITS=64",
      ],
      # The end of a worker unloads an addon that no other thread uses, but threads of RunDetached may still be in its code.
      "ldflags": ["-Wl,-z,nodelete"],
      "cflags": ["-Wall", "-Wextra", "-Wno-cast-function-type", "-fvisibility=hidden"],
      "cflags_cc!": ["-std=gnu++17"],
      "cflags_cc": ["-std=c++20"],
      "conditions": [
        ["OS!='linux'", { "type": "none" }],
        ["sanitize==1", {
          "cflags": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g"],
          "ldflags": ["-fsanitize=address,undefined"],
        }],
      ],
    },
  ],
}
