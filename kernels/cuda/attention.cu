#include <algorithm>

#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/reductions.hpp"
#include "kernels/cuda/rows.hpp"

namespace stamarker {
namespace {

__device__ const float* row_at(ConstMatrix m, std::int64_t i) { return m.data + i * m.n_cols; }

/// s_j and d_i; one warp a spot.
template <int pack>
__global__ void scores_kernel(ConstMatrix y, const float* a_src, const float* a_dst, int n_rows,
                              float* score_src, float* score_dst) {
  using Row = RowPart<pack>;
  const int j = row_of_warp();
  if (j >= y.n_rows) return;
  float src = 0, dst = 0;
  for (int first = 0; first < y.n_cols; first += Row::columns) {
    const Row row = Row::load(row_at(y, j), first, y.n_cols);
    src += row.dot(Row::load(a_src, first, y.n_cols));
    dst += row.dot(Row::load(a_dst, first, y.n_cols));
  }
  src = warp_sum(src);
  dst = warp_sum(dst);
  if (lane() != 0) return;
  score_src[j] = src;
  if (j < n_rows) score_dst[j] = dst;
}

/// alpha of the edges of a row, shifted by the largest score; one warp a row.
__global__ void edge_softmax_kernel(GraphView graph, Attention attention, const float* score_src,
                                    const float* score_dst, float* alpha) {
  const int i = row_of_warp();
  if (i >= graph.n_rows) return;
  const std::int64_t begin = graph.row_start.data[i] + lane(), end = graph.row_start.data[i + 1];
  const float d = score_dst[i];
  float top = -std::numeric_limits<float>::infinity(), total = 0;
  for (std::int64_t e = begin; e < end; e += warp_size) {
    alpha[e] = attention_score(attention, score_src[graph.source.data[e]] + d);
    top = fmaxf(top, alpha[e]);
  }
  top = warp_max(top);
  for (std::int64_t e = begin; e < end; e += warp_size)
    total += alpha[e] = fast_exp(alpha[e] - top);
  total = warp_sum(total);
  for (std::int64_t e = begin; e < end; e += warp_size) alpha[e] /= total;
}

enum class Store { overwrite, add };

/// out_e (+)= <a_i, b_(source e)> for the edges of row i, by one warp.
template <int pack>
__device__ void row_edge_dots(const GraphView& graph, int i, const float* a_row, ConstMatrix b,
                              Store store, float* out) {
  using Row = RowPart<pack>;
  const std::int64_t begin = graph.row_start.data[i], end = graph.row_start.data[i + 1];
  const int width = b.n_cols;
  for (int first = 0; first < width; first += Row::columns) {
    const Row a = Row::load(a_row, first, width);
    const bool adds = first > 0 || store == Store::add;
    const auto write = [&](std::int64_t e, float value) {
      value = warp_sum(value);
      if (lane() == 0) out[e] = adds ? out[e] + value : value;
    };
    std::int64_t e = begin;
    for (; e + 1 < end; e += 2) {
      const Row one = Row::load(row_at(b, graph.source.data[e]), first, width);
      const Row other = Row::load(row_at(b, graph.source.data[e + 1]), first, width);
      write(e, a.dot(one));
      write(e + 1, a.dot(other));
    }
    if (e < end) write(e, a.dot(Row::load(row_at(b, graph.source.data[e]), first, width)));
  }
}

/// d_alpha_ij = <u_i, z_j> for own rows, which u has, else 0; one warp a row.
template <int pack>
__global__ void decoder_edge_dots_kernel(GraphView graph, ConstMatrix u, ConstMatrix z,
                                         float* d_alpha) {
  const int i = row_of_warp();
  if (i >= graph.n_rows) return;
  if (i < u.n_rows)
    return row_edge_dots<pack>(graph, i, row_at(u, i), z, Store::overwrite, d_alpha);
  for (std::int64_t e = graph.row_start.data[i] + lane(); e < graph.row_start.data[i + 1];
       e += warp_size)
    d_alpha[e] = 0;
}

/// d_alpha_ij += <dO1_i, y_j>, then the softmax backward: d_alpha becomes g, score_dst dd; one warp
/// a row.
template <int pack>
__global__ void encoder_edge_dots_kernel(GraphView graph, Attention attention, ConstMatrix d_o1,
                                         ConstMatrix y, const float* alpha, const float* score_src,
                                         float* score_dst, float* d_alpha) {
  const int i = row_of_warp();
  if (i >= graph.n_rows) return;
  row_edge_dots<pack>(graph, i, row_at(d_o1, i), y, Store::add, d_alpha);
  __syncwarp();  // lane 0 has written what all lanes read
  const std::int64_t begin = graph.row_start.data[i] + lane(), end = graph.row_start.data[i + 1];
  float mean = 0, total = 0;  // mean: sum_k alpha_ik dalpha_ik
  for (std::int64_t e = begin; e < end; e += warp_size) mean += alpha[e] * d_alpha[e];
  mean = warp_sum(mean);
  const float d = score_dst[i];
  for (std::int64_t e = begin; e < end; e += warp_size) {
    const float score = score_src[graph.source.data[e]] + d;
    const float g = alpha[e] * (d_alpha[e] - mean) * attention_slope(attention, score);
    d_alpha[e] = g;
    total += g;
  }
  total = warp_sum(total);
  if (lane() == 0) score_dst[i] = total;
}

/// What the last step of the encoder's backward pass reads and writes.
struct EncoderSlope {
  GraphView graph;
  Lists targets;   // of a source, weighted by alpha
  const float* g;  // [n_edges]
  ConstMatrix d_o1;
  const float *a_src, *a_dst;  // [H]
  const float* dd;             // [n_attending]
  float* ds;                   // [n_spots]
  Matrix y;                    // becomes dY
  float* partial;              // [n_blocks, 2 H], sums of Y^T ds and of Y^T dd; null: not wanted
  int rows_per_block;
};

/// ds_j, this block's share of Y^T ds and Y^T dd, and dY_j; a warp takes every eighth row of its
/// block.
template <int pack>
__global__ void __launch_bounds__(threads_per_block) encoder_slope_kernel(EncoderSlope to) {
  using Row = RowPart<pack>;
  BlockMemory memory;
  // Of each warp: sums for a_src, then for a_dst.
  const Shared<float> sums = memory.take<float>(warps_per_block * 2 * Row::columns);
  const int warp = static_cast<int>(threadIdx.x) / warp_size, width = to.y.n_cols;
  const int begin = static_cast<int>(blockIdx.x) * to.rows_per_block;
  const int end = begin + to.rows_per_block < to.y.n_rows ? begin + to.rows_per_block : to.y.n_rows;
  for (int first = 0; first < width; first += Row::columns) {
    Row of_src = Row::zero(), of_dst = Row::zero();
    for (int j = begin + warp; j < end; j += warps_per_block) {
      const std::int64_t from = to.targets.start[j], until = to.targets.start[j + 1];
      float ds = 0;
      for (std::int64_t t = from + lane(); t < until; t += warp_size)
        ds += to.g[to.targets.edge[t]];
      ds = warp_sum(ds);
      const float dd = j < to.graph.n_rows ? to.dd[j] : 0;
      if (lane() == 0) to.ds[j] = ds;
      float* row = to.y.data + static_cast<std::int64_t>(j) * width;
      const Row y = Row::load(row, first, width);
      of_src.add(ds, y);
      of_dst.add(dd, y);
      Row d_y = combined<pack>(to.targets, from, until, to.d_o1.data, width, first);
      d_y.add(ds, Row::load(to.a_src, first, width));
      d_y.add(dd, Row::load(to.a_dst, first, width));
      d_y.store(row, first, width);
    }
    if (to.partial == nullptr) continue;
    const auto keep = [&](Row& row, int which) {
      row.for_each([&](float& v, int k, int at) {
        sums[(warp * 2 + which) * Row::columns + Row::column(0, k) + at] = v;
      });
    };
    keep(of_src, 0);
    keep(of_dst, 1);
    __syncthreads();
    for (int c = static_cast<int>(threadIdx.x); c < 2 * Row::columns; c += threads_per_block) {
      float total = 0;
      for (int w = 0; w < warps_per_block; ++w) total += sums[w * 2 * Row::columns + c];
      const int which = c / Row::columns, column = first + c % Row::columns;
      if (column < width)
        to.partial[(std::int64_t{2} * blockIdx.x + which) * width + column] = total;
    }
    __syncthreads();
  }
}

/// d = scale (d - y) elu'(.) at h = elu(.), and this block's share of <y, h>.
template <int pack>
__global__ void decoder_slope_kernel(std::int64_t n, float scale, const float* y, const float* h,
                                     float* d, double* partial) {
  BlockMemory memory;
  const Shared<double> workspace = memory.take<double>(warps_per_block);
  double dot = 0;
  const std::int64_t first = blockIdx.x * values_per_block<pack> + threadIdx.x * pack;
#pragma unroll
  for (int k = 0; k < packs_per_thread; ++k) {
    const std::int64_t at = first + k * threads_per_block * pack;
    if (at >= n) break;
    const Pack<pack> of_y = load_pack<pack>(y + at), of_h = load_pack<pack>(h + at);
    Pack<pack> slope = load_pack<pack>(d + at);
#pragma unroll
    for (int v = 0; v < pack; ++v) {
      dot += static_cast<double>(of_y.value[v]) * of_h.value[v];
      slope.value[v] = scale * (slope.value[v] - of_y.value[v]) * elu_slope(of_h.value[v]);
    }
    store_pack<pack>(slope, d + at);
  }
  dot = block_sum(dot, workspace);
  if (threadIdx.x == 0) partial[blockIdx.x] = dot;
}

Lists rows_of(const StepView& step) {  // sum over the sources of a row
  return {step.graph.row_start.data, step.graph.source.data, step.alpha.data, nullptr};
}
Lists columns_of(const StepView& step) {  // sum over the targets of a source
  return {step.graph.target_start.data, step.graph.target.data, step.alpha.data,
          step.graph.edge.data};
}
Launch one_warp_each(int n_rows) {
  return {.n_blocks = blocks_for(n_rows, warps_per_block), .n_threads = threads_per_block};
}

}  // namespace

void CudaBackend::attend(const StepView& step) {
  const WeightsView& w = step.weights;
  with_packs(step.y.n_cols, {step.y.data, w.a_src.data, w.a_dst.data}, [&](auto pack) {
    launch(stream(), one_warp_each(step.tile.n_spots), scores_kernel<pack()>, step.y, w.a_src.data,
           w.a_dst.data, step.graph.n_rows, step.score_src.data, step.score_dst.data);
  });
  launch(stream(), one_warp_each(step.graph.n_rows), edge_softmax_kernel, step.graph,
         step.attention, step.score_src.data, step.score_dst.data, step.alpha.data);
}

void CudaBackend::encode(const StepView& step) {
  if (step.single_source) return encode_sampled(step);
  combine(stream(), step.graph.n_rows, rows_of(step), step.y.data, step.y.n_cols, Then::elu,
          step.h1.data);
  multiply(step.h1, step.weights.w2, step.z);
}

// The graph is passed L wide, see kernels/cpu/attention.cpp.

void CudaBackend::decode(const StepView& step) {
  if (step.single_source) return decode_sampled(step);
  const Matrix alpha_z = step.d_z.rows(step.tile.n_own);  // until decoder_backward() has used it
  combine(stream(), alpha_z.n_rows, rows_of(step), step.z.data, step.z.n_cols, Then::nothing,
          alpha_z.data);
  expand(stream(),
         {.a = alpha_z, .w2 = step.weights.w2, .out = step.h3, .epilogue = Epilogue::elu});
  multiply(step.h3, step.s, step.d_o3);
  with_packs(step.y.n_cols, {step.y.data, step.h3.data, step.d_o3.data}, [&](auto pack) {
    const auto n = static_cast<std::int64_t>(step.h3.size());
    const int n_blocks = blocks_for(n, values_per_block<pack()>);
    double* partial = workspace<double>(n_blocks);
    launch(stream(),
           {.n_blocks = n_blocks,
            .n_threads = threads_per_block,
            .shared_bytes = shared_bytes<double>(warps_per_block)},
           decoder_slope_kernel<pack()>, n, step.scale, step.y.data, step.h3.data, step.d_o3.data,
           partial);
    sum_partials(stream(), n_blocks, partial, Sum::add, step.dot.data);
  });
  add_gram(step.h3, step.p);
}

void CudaBackend::decoder_backward(const StepView& step) {
  if (step.single_source) return decoder_backward_sampled(step);
  const int n_own = step.tile.n_own, n_latent = step.z.n_cols;
  add_transposed_product(step.d_o3, step.d_z.rows(n_own), step.gradient.decoder_w2);  // alpha Z
  const Matrix u{workspace<float>(static_cast<std::size_t>(n_own) * n_latent), n_own, n_latent};
  multiply(step.d_o3, step.weights.w2, u);
  with_packs(n_latent, {u.data, step.z.data}, [&](auto pack) {
    launch(stream(), one_warp_each(step.graph.n_rows), decoder_edge_dots_kernel<pack()>, step.graph,
           u, step.z, step.d_alpha.data);
  });
  Lists own_targets = columns_of(step);
  own_targets.limit = n_own;
  combine(stream(), step.graph.n_rows, own_targets, u.data, n_latent, Then::nothing, step.d_z.data);
}

void CudaBackend::latent_backward(const StepView& step) {
  if (step.single_source) return latent_backward_sampled(step);
  if (step.gradient.w2.data != nullptr) add_transposed_product(step.h1, step.d_z, step.gradient.w2);
  expand(stream(), {.a = step.d_z,
                    .w2 = step.weights.w2,
                    .out = step.h1,
                    .epilogue = Epilogue::times_elu_slope});
}

void CudaBackend::encoder_backward(const StepView& step) {
  if (step.single_source) return;  // latent_backward has left dY of the sampled rows in h1
  const int width = step.y.n_cols, n_spots = step.tile.n_spots;
  const WeightsView& w = step.weights;
  // Enough blocks to fill a device, few enough that their partial sums stay small.
  const int rows_per_block =
      std::max(2, blocks_for(n_spots, 1024 * warps_per_block)) * warps_per_block;
  const int n_blocks = blocks_for(n_spots, rows_per_block);
  const bool has_gradient = step.gradient.a_src.data != nullptr;
  float* partial = nullptr;
  if (has_gradient) partial = workspace<float>(std::size_t{2} * n_blocks * width);
  with_packs(width, {step.y.data, step.h1.data, w.a_src.data, w.a_dst.data}, [&](auto pack) {
    launch(stream(), one_warp_each(step.graph.n_rows), encoder_edge_dots_kernel<pack()>, step.graph,
           step.attention, step.h1, step.y, step.alpha.data, step.score_src.data,
           step.score_dst.data, step.d_alpha.data);
    const EncoderSlope slope{
        step.graph,   columns_of(step), step.d_alpha.data,   step.h1,
        w.a_src.data, w.a_dst.data,     step.score_dst.data, step.score_src.data,
        step.y,       partial,          rows_per_block};
    launch(stream(),
           {.n_blocks = n_blocks,
            .n_threads = threads_per_block,
            .shared_bytes = shared_bytes<float>(warps_per_block * 2 * RowPart<pack()>::columns)},
           encoder_slope_kernel<pack()>, slope);
  });
  if (!has_gradient) return;
  add_column_sums(stream(), n_blocks, 2 * width, width, partial, step.gradient.a_src.data);
  add_column_sums(stream(), n_blocks, 2 * width, width, partial + width, step.gradient.a_dst.data);
}

}  // namespace stamarker
