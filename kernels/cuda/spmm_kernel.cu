#include <algorithm>

#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/packs.hpp"
#include "kernels/cuda/spmm_kernel.hpp"

namespace stamarker {
namespace {

constexpr int tile_columns = 32;
constexpr int lanes_per_nonzero = tile_columns / 4;                // each has four columns
constexpr int nonzeros_at_a_time = warp_size / lanes_per_nonzero;  // of a warp
constexpr int spmm_threads = 1024;

/// at [n_chunks + 1, n_rows]: the first entry of each row whose column is not below the chunk's
/// first.
__global__ void chunk_starts_kernel(CsrRows a, int rows_per_chunk, int n_columns,
                                    std::int64_t* at) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= a.n_rows) return;
  const std::int64_t wanted = std::int64_t{rows_per_chunk} * blockIdx.y;
  const std::int64_t column = wanted < n_columns ? wanted : n_columns;
  std::int64_t low = a.start[i], high = a.end[i];
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (a.column[middle] < column)
      low = middle + 1;
    else
      high = middle;
  }
  at[static_cast<std::int64_t>(blockIdx.y) * a.n_rows + i] = low;
}

/// Rows first .. of B, columns of this block's tile, into shared memory; zero beyond its width.
template <int pack>
__device__ void load_tile(const Spmm& product, int first, int n_rows, const Shared<float>& tile) {
  const ConstMatrix& b = product.b;
  const int column0 = static_cast<int>(blockIdx.y) * tile_columns;
  constexpr int packs_per_row = tile_columns / pack;
  for (int k = static_cast<int>(threadIdx.x); k < n_rows * packs_per_row; k += spmm_threads) {
    const int row = first + k / packs_per_row, column = column0 + k % packs_per_row * pack;
    const std::int64_t at = product.b_row == nullptr ? row : product.b_row[row];
    Pack<pack> values = {};
    if (column < b.n_cols) values = load_pack<pack>(b.data + at * b.n_cols + column);
    tile.as<Pack<pack>>()[k] = values;
  }
}

/// This lane's four columns of sum_e value_e tile_(column_e - first), its quarter of the nonzeros.
__device__ Pack<4> row_times_tile(const CsrRows& a, std::int64_t begin, std::int64_t end, int first,
                                  const Shared<float4>& tile) {
  Pack<4> sum = {};
  const int slot = lane() / lanes_per_nonzero, part = lane() % lanes_per_nonzero;
#pragma unroll 4
  for (std::int64_t e = begin + slot; e < end; e += nonzeros_at_a_time) {
    const float v = a.value[e];
    const float4 row = tile[(a.column[e] - first) * lanes_per_nonzero + part];
    sum.value[0] += v * row.x;
    sum.value[1] += v * row.y;
    sum.value[2] += v * row.z;
    sum.value[3] += v * row.w;
  }
#pragma unroll
  for (int v = 0; v < 4; ++v)
    for (int lanes = lanes_per_nonzero; lanes < warp_size; lanes *= 2)
      sum.value[v] += __shfl_xor_sync(all_lanes, sum.value[v], lanes);
  return sum;
}

/// out (+)= factor sum for the columns of this lane.
template <int pack>
__device__ void write_row(const Spmm& product, int i, const Pack<4>& sum, bool adds) {
  const int column0 = static_cast<int>(blockIdx.y) * tile_columns + lane() * 4;
#pragma unroll
  for (int v = 0; v < 4; v += pack) {
    if (column0 + v >= product.out.n_cols) continue;
    float* to = product.out.data + static_cast<std::int64_t>(i) * product.out.n_cols + column0 + v;
    Pack<pack> values = {};
    if (adds) values = load_pack<pack>(to);
#pragma unroll
    for (int k = 0; k < pack; ++k) values.value[k] += product.factor * sum.value[v + k];
    store_pack<pack>(values, to);
  }
}

/// A block has the rows of A from blockIdx.x on in steps of gridDim.x, and a tile of columns. Its
/// warps take row after row of these; which warp has which row changes no bit.
template <int pack>
__global__ void __launch_bounds__(spmm_threads, 1)
    spmm_kernel(Spmm product, const std::int64_t* chunk_start, int rows_per_chunk) {
  BlockMemory memory;
  const Shared<float> tile = memory.take<float>(rows_per_chunk * tile_columns);
  const Shared<float4> tile_by_4 = tile.as<float4>();
  const Shared<int> next = memory.take<int>(1);
  const CsrRows& a = product.a;
  const int n_there =
      product.n_b_rows_there == nullptr ? product.n_b_rows : product.n_b_rows_there[0];
  const int n_mine =
      (a.n_rows - static_cast<int>(blockIdx.x) - 1) / static_cast<int>(gridDim.x) + 1;
  int chunk = 0;
  do {  // once at least: rows without nonzeros are written too
    const int first = chunk * rows_per_chunk;
    const int n_rows = n_there - first < rows_per_chunk ? n_there - first : rows_per_chunk;
    load_tile<pack>(product, first, n_rows, tile);
    if (threadIdx.x == 0) next[0] = 0;
    __syncthreads();
    const bool adds = chunk > 0 || product.store == Spmm::Store::add;
    const std::int64_t* start = chunk_start + static_cast<std::int64_t>(chunk) * a.n_rows;
    while (true) {
      int mine = 0;
      if (lane() == 0) mine = next.atomic_add(0, 1);
      mine = __shfl_sync(all_lanes, mine, 0);
      if (mine >= n_mine) break;
      const int i = static_cast<int>(blockIdx.x) + mine * static_cast<int>(gridDim.x);
      const std::int64_t begin = start[i], end = start[i + a.n_rows];
      if (adds && begin == end) continue;
      const Pack<4> sum = row_times_tile(a, begin, end, first, tile_by_4);
      if (lane() < lanes_per_nonzero) write_row<pack>(product, i, sum, adds);
    }
    __syncthreads();
  } while (++chunk * rows_per_chunk < n_there);
}

/// One warp a row: 32 nonzeros at a time, those kept move up to the ones before.
__global__ void renumber_columns_kernel(SparseView m, const std::int32_t* new_column,
                                        std::int64_t* end, std::int32_t* column, float* value) {
  const int i = row_of_warp();
  if (i >= m.n_rows) return;
  const std::int64_t first = m.row_start.data[i], last = m.row_start.data[i + 1];
  std::int64_t to = first;
  for (std::int64_t e = first; e < last; e += warp_size) {
    const bool is_there = e + lane() < last;
    const std::int32_t kept = is_there ? new_column[m.column.data[e + lane()]] : -1;
    const unsigned keeps = __ballot_sync(all_lanes, kept >= 0);
    if (kept >= 0) {
      const std::int64_t at = to + __popc(keeps & ((1u << lane()) - 1));
      column[at] = kept;
      value[at] = m.value.data[e + lane()];
    }
    to += __popc(keeps);
  }
  if (lane() == 0) end[i] = to;
}

}  // namespace

SpmmTiling tiling_of(const Spmm& product, int n_processors, std::size_t most_shared_bytes) {
  constexpr std::size_t row_bytes = tile_columns * sizeof(float), counter_bytes = 16;
  const int most_rows = static_cast<int>((most_shared_bytes - counter_bytes) / row_bytes);
  SpmmTiling cut{};
  cut.n_chunks = std::max(1, blocks_for(product.n_b_rows, most_rows));
  cut.rows_per_chunk = std::max(1, blocks_for(product.n_b_rows, cut.n_chunks));
  cut.n_tiles = blocks_for(product.out.n_cols, tile_columns);
  cut.n_groups = std::clamp(n_processors / cut.n_tiles, 1, product.a.n_rows);
  return cut;
}

std::size_t workspace_bytes(const Spmm& product, const SpmmTiling& cut) {
  return static_cast<std::size_t>(cut.n_chunks + 1) * product.a.n_rows * sizeof(std::int64_t);
}

void enqueue_spmm(Stream stream, const Spmm& product, const SpmmTiling& cut, void* workspace) {
  auto* chunk_start = static_cast<std::int64_t*>(workspace);
  launch(stream,
         {.n_blocks = blocks_for(product.a.n_rows, threads_per_block),
          .n_blocks_y = cut.n_chunks + 1,
          .n_threads = threads_per_block},
         chunk_starts_kernel, product.a, cut.rows_per_chunk, product.n_b_rows, chunk_start);
  with_packs(product.out.n_cols, {product.b.data, product.out.data}, [&](auto pack) {
    launch(stream,
           {.n_blocks = cut.n_groups,
            .n_blocks_y = cut.n_tiles,
            .n_threads = spmm_threads,
            .shared_bytes =
                shared_bytes<float>(static_cast<std::size_t>(cut.rows_per_chunk) * tile_columns) +
                shared_bytes<int>(1)},
           spmm_kernel<pack()>, product, chunk_start, cut.rows_per_chunk);
  });
}

void renumber_columns(Stream stream, const SparseView& m, const std::int32_t* new_column,
                      std::int64_t* end, std::int32_t* column, float* value) {
  launch(stream,
         {.n_blocks = blocks_for(m.n_rows, warps_per_block), .n_threads = threads_per_block},
         renumber_columns_kernel, m, new_column, end, column, value);
}

}  // namespace stamarker
