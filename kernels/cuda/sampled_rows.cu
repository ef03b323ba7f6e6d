#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/packs.hpp"
#include "kernels/cuda/sampled_rows.hpp"

namespace stamarker {
namespace {

// ---- prefix sums ----

constexpr int scan_threads = 1024, scan_warps = scan_threads / warp_size, scan_values = 4;

/// One block, 4096 values at a time.
__global__ void __launch_bounds__(scan_threads)
    prefix_sums_kernel(int n, const std::int64_t* count, std::int64_t* sum) {
  BlockMemory memory;
  const Shared<std::int64_t> of_warps = memory.take<std::int64_t>(scan_warps);
  const int thread = static_cast<int>(threadIdx.x), warp = thread / warp_size;
  std::int64_t before = 0;  // of all values of earlier turns
  for (int first = 0; first < n; first += scan_threads * scan_values) {
    const int at = first + thread * scan_values;
    std::int64_t value[scan_values], of_thread = 0;
#pragma unroll
    for (int v = 0; v < scan_values; ++v) {
      value[v] = at + v < n ? count[at + v] : 0;
      of_thread += value[v];
    }
    std::int64_t inclusive = of_thread;  // of the warp's threads up to this one
    for (int lanes = 1; lanes < warp_size; lanes *= 2) {
      const std::int64_t other =
          __shfl_up_sync(all_lanes, static_cast<long long>(inclusive), lanes);
      if (lane() >= lanes) inclusive += other;
    }
    if (lane() == warp_size - 1) of_warps[warp] = inclusive;
    __syncthreads();
    std::int64_t at_thread = before + inclusive - of_thread;
    for (int w = 0; w < scan_warps; ++w) {
      const std::int64_t of_warp = of_warps[w];
      if (w < warp) at_thread += of_warp;
      before += of_warp;
    }
    __syncthreads();
#pragma unroll
    for (int v = 0; v < scan_values; ++v) {
      if (at + v < n) sum[at + v] = at_thread;
      at_thread += value[v];
    }
  }
  if (thread == 0) sum[n] = before;
}

// ---- sampled rows ----
// One thread a source. A prefix sum runs over both numbers that a list needs: how many sources
// before this one are listed (upper half) and how many own spots they have (lower half).

constexpr std::int64_t one_listed = std::int64_t{1} << 32;

__device__ std::int64_t listed_with(int nnz) { return nnz == 0 ? 0 : one_listed + nnz; }
__device__ std::int32_t listed(std::int64_t prefix) {
  return static_cast<std::int32_t>(prefix >> 32);
}
__device__ std::int32_t entries(std::int64_t prefix) {
  return static_cast<std::int32_t>(prefix & (one_listed - 1));
}
__device__ int index_of_thread() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

__global__ void count_own_kernel(GraphView graph, SampledRows sampled) {
  const int j = index_of_thread();
  if (j >= graph.n_sources) return;
  int n = 0;
  for (std::int64_t t = graph.target_start.data[j];
       t < graph.target_start.data[j + 1] && graph.target.data[t] < sampled.n_own; ++t)
    ++n;
  sampled.prefix[j] = listed_with(n);
}

__global__ void place_decoded_kernel(GraphView graph, SampledRows sampled) {
  const int j = index_of_thread();
  if (j >= graph.n_sources) return;
  const std::int64_t here = sampled.prefix[j], next = sampled.prefix[j + 1];
  const std::int32_t p = listed(here), at = entries(here), n = entries(next) - at;
  sampled.decoded_position[j] = n > 0 ? p : -1;
  if (n > 0) {
    sampled.decoded[p] = j;
    sampled.decoded_start[p] = at;
    for (int k = 0; k < n; ++k) {
      const std::int32_t i = graph.target.data[graph.target_start.data[j] + k];
      sampled.own[at + k] = i;
      sampled.decoded_of[i] = p;
    }
  }
  if (j + 1 < graph.n_sources) return;
  sampled.n_decoded[0] = listed(next);
  sampled.decoded_start[listed(next)] = entries(next);
}

__global__ void count_decoded_kernel(GraphView graph, SampledRows sampled) {
  const int k = index_of_thread();
  if (k >= graph.n_sources) return;
  int n = 0;
  for (std::int64_t t = graph.target_start.data[k]; t < graph.target_start.data[k + 1]; ++t)
    if (sampled.decoded_position[graph.target.data[t]] >= 0) ++n;
  sampled.prefix[k] = listed_with(n);
}

__global__ void place_encoded_kernel(GraphView graph, SampledRows sampled) {
  const int k = index_of_thread();
  if (k >= graph.n_sources) return;
  const std::int64_t here = sampled.prefix[k], next = sampled.prefix[k + 1];
  const std::int32_t q = listed(here);
  std::int32_t at = entries(here);
  sampled.encoded_position[k] = listed(next) > q ? q : -1;
  if (listed(next) > q) {
    sampled.encoded[q] = k;
    sampled.encoded_start[q] = at;
    for (std::int64_t t = graph.target_start.data[k]; t < graph.target_start.data[k + 1]; ++t) {
      const std::int32_t p = sampled.decoded_position[graph.target.data[t]];
      if (p < 0) continue;
      sampled.decoded_by_source[at++] = p;
      sampled.encoded_of[p] = q;
    }
  }
  if (k + 1 < graph.n_sources) return;
  sampled.n_encoded[0] = listed(next);
  sampled.encoded_start[listed(next)] = entries(next);
}

}  // namespace

std::size_t SampledRows::bytes_of(int n_own, int n_sources) {
  const auto own = static_cast<std::size_t>(n_own), sources = static_cast<std::size_t>(n_sources);
  return (2 * (own + 1) + sources + 1) * sizeof(std::int64_t) +
         (6 * own + 2 * sources + 2) * sizeof(std::int32_t);
}

SampledRows SampledRows::in(void* memory, int n_own, int n_sources) {
  SampledRows sampled;
  sampled.n_own = n_own;
  sampled.n_sources = n_sources;
  auto* wide = static_cast<std::int64_t*>(memory);
  sampled.decoded_start = wide;
  sampled.encoded_start = sampled.decoded_start + n_own + 1;
  sampled.prefix = sampled.encoded_start + n_own + 1;
  auto* narrow = reinterpret_cast<std::int32_t*>(sampled.prefix + n_sources + 1);
  for (std::int32_t** of_own :
       {&sampled.own, &sampled.decoded_of, &sampled.decoded, &sampled.encoded, &sampled.encoded_of,
        &sampled.decoded_by_source}) {
    *of_own = narrow;
    narrow += n_own;
  }
  sampled.decoded_position = narrow;
  sampled.encoded_position = narrow + n_sources;
  sampled.n_decoded = narrow + 2 * static_cast<std::ptrdiff_t>(n_sources);
  sampled.n_encoded = sampled.n_decoded + 1;
  return sampled;
}

void prefix_sums(Stream stream, int n, const std::int64_t* count, std::int64_t* sum) {
  launch(stream,
         {.n_threads = scan_threads, .shared_bytes = shared_bytes<std::int64_t>(scan_warps)},
         prefix_sums_kernel, n, count, sum);
}

void find_sampled_rows(Stream stream, const GraphView& graph, const SampledRows& sampled) {
  const Launch one_thread_each{.n_blocks = blocks_for(graph.n_sources, threads_per_block),
                               .n_threads = threads_per_block};
  launch(stream, one_thread_each, count_own_kernel, graph, sampled);
  prefix_sums(stream, graph.n_sources, sampled.prefix, sampled.prefix);
  launch(stream, one_thread_each, place_decoded_kernel, graph, sampled);
  launch(stream, one_thread_each, count_decoded_kernel, graph, sampled);
  prefix_sums(stream, graph.n_sources, sampled.prefix, sampled.prefix);
  launch(stream, one_thread_each, place_encoded_kernel, graph, sampled);
}

}  // namespace stamarker
