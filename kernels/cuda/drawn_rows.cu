#include "kernels/cuda/drawn_rows.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/packs.hpp"

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

// ---- drawn rows ----
// One thread a source. A prefix sum runs over both numbers that a list needs: how many sources
// before this one are listed (upper half) and how many entries they have (lower half).

constexpr std::int64_t one_listed = std::int64_t{1} << 32;

__device__ std::int64_t listed_with(int n_entries) {
  return n_entries == 0 ? 0 : one_listed + n_entries;
}
__device__ std::int32_t listed(std::int64_t prefix) {
  return static_cast<std::int32_t>(prefix >> 32);
}
__device__ std::int32_t entries(std::int64_t prefix) {
  return static_cast<std::int32_t>(prefix & (one_listed - 1));
}
__device__ int index_of_thread() { return static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); }

__global__ void count_own_kernel(GraphView graph, DrawnRows drawn) {
  const int j = index_of_thread();
  if (j >= graph.n_sources) return;
  int n = 0;
  for (std::int64_t t = graph.target_start.data[j];
       t < graph.target_start.data[j + 1] && graph.target.data[t] < drawn.n_own; ++t)
    ++n;
  drawn.prefix[j] = listed_with(n);
}

__global__ void place_decoded_kernel(GraphView graph, DrawnRows drawn) {
  const int j = index_of_thread();
  if (j >= graph.n_sources) return;
  const std::int64_t here = drawn.prefix[j], next = drawn.prefix[j + 1];
  const std::int32_t p = listed(here), at = entries(here), n = entries(next) - at;
  drawn.decoded_position[j] = n > 0 ? p : -1;
  if (n > 0) {
    drawn.decoded[p] = j;
    drawn.decoded_start[p] = at;
    for (int k = 0; k < n; ++k) {
      const std::int32_t i = graph.target.data[graph.target_start.data[j] + k];
      drawn.own[at + k] = i;
      drawn.decoded_of[i] = p;
    }
  }
  if (j + 1 < graph.n_sources) return;
  drawn.n_decoded[0] = listed(next);
  drawn.decoded_start[listed(next)] = entries(next);
}

__global__ void count_decoded_kernel(GraphView graph, DrawnRows drawn) {
  const int k = index_of_thread();
  if (k >= graph.n_sources) return;
  int n = 0;
  for (std::int64_t t = graph.target_start.data[k]; t < graph.target_start.data[k + 1]; ++t)
    if (drawn.decoded_position[graph.target.data[t]] >= 0) ++n;
  drawn.prefix[k] = listed_with(n);
}

__global__ void place_encoded_kernel(GraphView graph, DrawnRows drawn) {
  const int k = index_of_thread();
  if (k >= graph.n_sources) return;
  const std::int64_t here = drawn.prefix[k], next = drawn.prefix[k + 1];
  const std::int32_t q = listed(here);
  std::int32_t at = entries(here);
  drawn.encoded_position[k] = listed(next) > q ? q : -1;
  if (listed(next) > q) {
    drawn.encoded[q] = k;
    drawn.encoded_start[q] = at;
    for (std::int64_t t = graph.target_start.data[k]; t < graph.target_start.data[k + 1]; ++t) {
      const std::int32_t p = drawn.decoded_position[graph.target.data[t]];
      if (p < 0) continue;
      drawn.decoded_by_source[at++] = p;
      drawn.encoded_of[p] = q;
    }
  }
  if (k + 1 < graph.n_sources) return;
  drawn.n_encoded[0] = listed(next);
  drawn.encoded_start[listed(next)] = entries(next);
}

}  // namespace

std::size_t DrawnRows::bytes_of(int n_own, int n_sources) {
  const auto own = static_cast<std::size_t>(n_own), sources = static_cast<std::size_t>(n_sources);
  return (2 * (own + 1) + sources + 1) * sizeof(std::int64_t) +
         (6 * own + 2 * sources + 2) * sizeof(std::int32_t);
}

DrawnRows DrawnRows::in(void* memory, int n_own, int n_sources) {
  DrawnRows drawn;
  drawn.n_own = n_own;
  drawn.n_sources = n_sources;
  auto* wide = static_cast<std::int64_t*>(memory);
  drawn.decoded_start = wide;
  drawn.encoded_start = drawn.decoded_start + n_own + 1;
  drawn.prefix = drawn.encoded_start + n_own + 1;
  auto* narrow = reinterpret_cast<std::int32_t*>(drawn.prefix + n_sources + 1);
  for (std::int32_t** of_own : {&drawn.own, &drawn.decoded_of, &drawn.decoded, &drawn.encoded,
                                &drawn.encoded_of, &drawn.decoded_by_source}) {
    *of_own = narrow;
    narrow += n_own;
  }
  drawn.decoded_position = narrow;
  drawn.encoded_position = narrow + n_sources;
  drawn.n_decoded = narrow + 2 * static_cast<std::ptrdiff_t>(n_sources);
  drawn.n_encoded = drawn.n_decoded + 1;
  return drawn;
}

void prefix_sums(Queue queue, int n, const std::int64_t* count, std::int64_t* sum) {
  launch(queue, {.n_threads = scan_threads, .shared_bytes = shared_bytes<std::int64_t>(scan_warps)},
         prefix_sums_kernel, n, count, sum);
}

void find_drawn_rows(Queue queue, const GraphView& graph, const DrawnRows& drawn) {
  const Launch one_thread_each{.n_blocks = blocks_for(graph.n_sources, threads_per_block),
                               .n_threads = threads_per_block};
  launch(queue, one_thread_each, count_own_kernel, graph, drawn);
  prefix_sums(queue, graph.n_sources, drawn.prefix, drawn.prefix);
  launch(queue, one_thread_each, place_decoded_kernel, graph, drawn);
  launch(queue, one_thread_each, count_decoded_kernel, graph, drawn);
  prefix_sums(queue, graph.n_sources, drawn.prefix, drawn.prefix);
  launch(queue, one_thread_each, place_encoded_kernel, graph, drawn);
}

}  // namespace stamarker
