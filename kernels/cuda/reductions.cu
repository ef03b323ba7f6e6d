#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/reductions.hpp"

namespace stamarker {
namespace {

constexpr int most_threads = 1024, most_warps = most_threads / warp_size;

/// One block adds all shares: a thread every 1024th, then the threads in order.
__global__ void __launch_bounds__(most_threads)
    sum_partials_kernel(int n, const double* partial, Sum sum, double* out) {
  BlockMemory memory;
  const Shared<double> workspace = memory.take<double>(most_warps);
  double total = 0;
  for (int k = static_cast<int>(threadIdx.x); k < n; k += most_threads) total += partial[k];
  total = block_sum(total, workspace);
  if (threadIdx.x == 0) out[0] = sum == Sum::add ? out[0] + total : total;
}

/// A block adds 32 columns: warp w rows w, w + 32, ...
__global__ void __launch_bounds__(most_threads)
    column_sums_kernel(int n_rows, int pitch, int n_columns, const float* partial, float* out) {
  BlockMemory memory;
  const Shared<double> sums = memory.take<double>(most_warps * warp_size);
  const int warp = static_cast<int>(threadIdx.x) / warp_size;
  const int column = static_cast<int>(blockIdx.x) * warp_size + lane();
  double total = 0;
  if (column < n_columns)
    for (int row = warp; row < n_rows; row += most_warps)
      total += partial[static_cast<std::int64_t>(row) * pitch + column];
  sums[static_cast<int>(threadIdx.x)] = total;
  __syncthreads();
  if (warp != 0 || column >= n_columns) return;
  total = 0;
  for (int w = 0; w < most_warps; ++w) total += sums[w * warp_size + lane()];
  out[column] += static_cast<float>(total);
}

/// This block's share of <a, b>.
template <int pack>
__global__ void dot_kernel(std::int64_t n, const float* a, const float* b, double* partial) {
  BlockMemory memory;
  const Shared<double> workspace = memory.take<double>(warps_per_block);
  const std::int64_t first = blockIdx.x * values_per_block<pack> + threadIdx.x * pack;
  double total = 0;
#pragma unroll
  for (int k = 0; k < packs_per_thread; ++k) {
    const std::int64_t at = first + k * threads_per_block * pack;
    if (at >= n) break;
    const Pack<pack> x = load_pack<pack>(a + at), y = load_pack<pack>(b + at);
#pragma unroll
    for (int v = 0; v < pack; ++v) total += static_cast<double>(x.value[v]) * y.value[v];
  }
  total = block_sum(total, workspace);
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

}  // namespace

void sum_partials(Stream stream, int n, const double* partial, Sum sum, double* out) {
  launch(stream, {.n_threads = most_threads, .shared_bytes = shared_bytes<double>(most_warps)},
         sum_partials_kernel, n, partial, sum, out);
}

void add_column_sums(Stream stream, int n_rows, int pitch, int n_columns, const float* partial,
                     float* out) {
  launch(stream,
         {.n_blocks = blocks_for(n_columns, warp_size),
          .n_threads = most_threads,
          .shared_bytes = shared_bytes<double>(most_threads)},
         column_sums_kernel, n_rows, pitch, n_columns, partial, out);
}

void CudaBackend::dot_of(std::int64_t n, const float* a, const float* b, double* out) {
  with_packs(n, {a, b}, [&](auto pack) {
    const int n_blocks = blocks_for(n, values_per_block<pack()>);
    double* partial = workspace<double>(n_blocks);
    launch(stream(),
           {.n_blocks = n_blocks,
            .n_threads = threads_per_block,
            .shared_bytes = shared_bytes<double>(warps_per_block)},
           dot_kernel<pack()>, n, a, b, partial);
    sum_partials(stream(), n_blocks, partial, Sum::overwrite, out);
  });
}

void CudaBackend::dot(ConstMatrix a, ConstMatrix b, DeviceSpan<double> out) {
  dot_of(static_cast<std::int64_t>(a.size()), a.data, b.data, out.data);
}

void CudaBackend::sum_of_squares(DeviceSpan<const float> values, DeviceSpan<double> out) {
  dot_of(static_cast<std::int64_t>(values.size), values.data, values.data, out.data);
}

}  // namespace stamarker
