#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/rows.hpp"

namespace stamarker {
namespace {

/// One warp a row.
template <int pack>
__global__ void combine_kernel(int n_rows, Lists lists, const std::int32_t* n_lists,
                               const float* in, int width, Then then, float* out) {
  const int i = row_of_warp();
  if (i >= n_rows) return;
  const bool is_there = n_lists == nullptr || i < n_lists[0];
  const std::int64_t begin = is_there ? lists.start[i] : 0;
  const std::int64_t end = is_there ? lists.end_of(i) : 0;
  for (int first = 0; first < width; first += RowPart<pack>::columns) {
    RowPart<pack> sum = combined<pack>(lists, begin, end, in, width, first);
    if (then == Then::elu) sum.for_each([](float& v, int, int) { v = elu(v); });
    sum.store(out + static_cast<std::int64_t>(i) * width, first, width);
  }
}

// A block computes 64 rows by 128 columns of A W2^T, by 32 terms of the sums at a time; a thread
// 8 rows by 4 neighbouring columns.
constexpr int tile_rows = 64, tile_columns = 128, tile_terms = 32;
constexpr int rows_per_thread = tile_rows / warps_per_block;
constexpr int w2_pitch = tile_columns + 4;  // spreads the transposing writes over the banks
constexpr std::size_t expand_bytes =
    shared_bytes<float>(tile_terms * w2_pitch) + shared_bytes<float>(tile_rows * tile_terms);

/// W2^T and A for terms first .. first + 31, zero beyond both.
__device__ void load_tiles(const Expansion& how, int row0, int column0, int first,
                           const Shared<float>& w2, const Shared<float>& a) {
  const int n_terms = how.a.n_cols, n_rows = how.a.n_rows, n_columns = how.w2.n_rows;
  for (int k = static_cast<int>(threadIdx.x); k < tile_columns * tile_terms;
       k += threads_per_block) {
    const int column = column0 + k / tile_terms, term = first + k % tile_terms;
    const bool is_there = column < n_columns && term < n_terms;
    w2[k % tile_terms * w2_pitch + k / tile_terms] =
        is_there ? how.w2.data[static_cast<std::int64_t>(column) * n_terms + term] : 0.0f;
  }
  for (int k = static_cast<int>(threadIdx.x); k < tile_rows * tile_terms; k += threads_per_block) {
    const int row = row0 + k / tile_terms, term = first + k % tile_terms;
    const bool is_there = row < n_rows && term < n_terms;
    a[k] = is_there ? how.a.data[static_cast<std::int64_t>(row) * n_terms + term] : 0.0f;
  }
}

/// sum [rows_per_thread][4] += the product of the two tiles.
__device__ void multiply_tiles(const Shared<float>& w2, const Shared<float>& a,
                               Pack<4> (&sum)[rows_per_thread]) {
  const Shared<float4> w2_by_4 = w2.as<float4>(), a_by_4 = a.as<float4>();
  const int row = static_cast<int>(threadIdx.x) / warp_size * rows_per_thread;
  for (int t = 0; t < tile_terms / 4; ++t) {
    float4 w[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) w[k] = w2_by_4[(4 * t + k) * (w2_pitch / 4) + lane()];
#pragma unroll
    for (int r = 0; r < rows_per_thread; ++r) {
      const float4 of_row = a_by_4[(row + r) * (tile_terms / 4) + t];
      const float factor[4] = {of_row.x, of_row.y, of_row.z, of_row.w};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        sum[r].value[0] += factor[k] * w[k].x;
        sum[r].value[1] += factor[k] * w[k].y;
        sum[r].value[2] += factor[k] * w[k].z;
        sum[r].value[3] += factor[k] * w[k].w;
      }
    }
  }
}

/// The epilogue of `pack` neighbouring values of row i.
template <int pack>
__device__ void finish(const Expansion& how, int i, Pack<pack> sum, std::int64_t at) {
  if (how.epilogue == Epilogue::elu) {
#pragma unroll
    for (int v = 0; v < pack; ++v) sum.value[v] = elu(sum.value[v]);
  }
  if (how.epilogue == Epilogue::times_elu_slope) {
    const Pack<pack> h = load_pack<pack>(how.out.data + at);
#pragma unroll
    for (int v = 0; v < pack; ++v) sum.value[v] *= elu_slope(h.value[v]);
  }
  if (how.epilogue == Epilogue::sampled_elu) {
    const bool is_there = i < how.n_rows[0];
    const float scale = is_there ? sqrtf(static_cast<float>(how.start[i + 1] - how.start[i])) : 0;
    Pack<pack> scaled;
#pragma unroll
    for (int v = 0; v < pack; ++v) {
      sum.value[v] = elu(sum.value[v]);
      scaled.value[v] = scale * sum.value[v];
    }
    store_pack<pack>(scaled, how.scaled + at);
  }
  store_pack<pack>(sum, how.out.data + at);
}

template <int pack>
__global__ void __launch_bounds__(threads_per_block) expand_kernel(Expansion how) {
  BlockMemory memory;
  const Shared<float> w2 = memory.take<float>(tile_terms * w2_pitch);
  const Shared<float> a = memory.take<float>(tile_rows * tile_terms);
  const int row0 = static_cast<int>(blockIdx.x) * tile_rows;
  const int column0 = static_cast<int>(blockIdx.y) * tile_columns;
  Pack<4> sum[rows_per_thread] = {};
  for (int first = 0; first < how.a.n_cols; first += tile_terms) {
    load_tiles(how, row0, column0, first, w2, a);
    __syncthreads();
    multiply_tiles(w2, a, sum);
    __syncthreads();
  }
  const int row = row0 + static_cast<int>(threadIdx.x) / warp_size * rows_per_thread;
#pragma unroll
  for (int r = 0; r < rows_per_thread; ++r) {
    if (row + r >= how.a.n_rows) return;
#pragma unroll
    for (int v = 0; v < 4; v += pack) {
      const int column = column0 + lane() * 4 + v;
      if (column >= how.out.n_cols) continue;
      Pack<pack> values;
#pragma unroll
      for (int k = 0; k < pack; ++k) values.value[k] = sum[r].value[v + k];
      finish<pack>(how, row + r, values,
                   static_cast<std::int64_t>(row + r) * how.out.n_cols + column);
    }
  }
}

}  // namespace

void combine(Stream stream, int n_rows, const Lists& lists, const float* in, int width, Then then,
             float* out, const std::int32_t* n_lists) {
  with_packs(width, {in, out}, [&](auto pack) {
    launch(stream,
           {.n_blocks = blocks_for(n_rows, warps_per_block), .n_threads = threads_per_block},
           combine_kernel<pack()>, n_rows, lists, n_lists, in, width, then, out);
  });
}

void expand(Stream stream, const Expansion& how) {
  with_packs(how.out.n_cols, {how.out.data, how.scaled}, [&](auto pack) {
    launch(stream,
           {.n_blocks = blocks_for(how.a.n_rows, tile_rows),
            .n_blocks_y = blocks_for(how.w2.n_rows, tile_columns),
            .n_threads = threads_per_block,
            .shared_bytes = expand_bytes},
           expand_kernel<pack()>, how);
  });
}

}  // namespace stamarker
