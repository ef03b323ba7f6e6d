#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/packs.hpp"
#include "kernels/cuda/sampled_rows.hpp"

namespace stamarker {
namespace {

__device__ int index_of_thread() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

/// One thread a row.
__global__ void draw_kernel(GraphView full, const std::int32_t* spot, RandomKey key,
                            const std::int32_t* epoch, std::int32_t* source) {
  const int i = index_of_thread();
  if (i >= full.n_rows) return;
  const std::int64_t first = full.row_start.data[i];
  const auto degree = static_cast<std::uint32_t>(full.row_start.data[i + 1] - first);
  const std::uint32_t word = random_words(key, static_cast<std::uint32_t>(epoch[0]),
                                          static_cast<std::uint64_t>(spot[i]))[0];
  source[i] = full.source.data[first + below(word, degree)];
}

/// f(i) for the rows that drew source j, ascending: they are among those that attend to it.
template <class F>
__device__ void for_each_that_drew(const GraphView& full, const std::int32_t* source, int j,
                                   const F& f) {
  std::int32_t last = -1;
  for (std::int64_t t = full.target_start.data[j]; t < full.target_start.data[j + 1]; ++t) {
    const std::int32_t i = full.target.data[t];
    if (source[i] == j && i != last) f(i);  // a source that a row lists twice counts once
    last = i;
  }
}

/// One thread a source.
__global__ void count_targets_kernel(GraphView full, const std::int32_t* source,
                                     std::int64_t* count) {
  const int j = index_of_thread();
  if (j >= full.n_sources) return;
  std::int64_t n = 0;
  for_each_that_drew(full, source, j, [&](std::int32_t) { ++n; });
  count[j] = n;
}

__global__ void place_targets_kernel(GraphView full, const std::int32_t* source,
                                     const std::int64_t* target_start, std::int32_t* target,
                                     std::int64_t* edge) {
  const int j = index_of_thread();
  if (j >= full.n_sources) return;
  std::int64_t at = target_start[j];
  for_each_that_drew(full, source, j, [&](std::int32_t i) {
    target[at] = i;
    edge[at++] = i;
  });
}

}  // namespace

void CudaBackend::sample_neighbors(const GraphView& full, DeviceSpan<const std::int32_t> spot,
                                   RandomKey key, DeviceSpan<const std::int32_t> epoch,
                                   DeviceSpan<std::int32_t> source,
                                   DeviceSpan<std::int64_t> target_start,
                                   DeviceSpan<std::int32_t> target, DeviceSpan<std::int64_t> edge) {
  const auto one_thread_each = [](int n) {
    return Launch{.n_blocks = blocks_for(n, threads_per_block), .n_threads = threads_per_block};
  };
  launch(stream(), one_thread_each(full.n_rows), draw_kernel, full, spot.data, key, epoch.data,
         source.data);
  launch(stream(), one_thread_each(full.n_sources), count_targets_kernel, full, source.data,
         target_start.data);
  prefix_sums(stream(), full.n_sources, target_start.data, target_start.data);
  launch(stream(), one_thread_each(full.n_sources), place_targets_kernel, full, source.data,
         target_start.data, target.data, edge.data);
}

}  // namespace stamarker
