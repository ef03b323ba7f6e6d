#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/reductions.hpp"
#include "kernels/cuda/rows.hpp"
#include "kernels/cuda/sampled_rows.hpp"
#include "kernels/cuda/spmm_kernel.hpp"

// The chain of a training step in which every spot attends to one sampled source. Arrays hold the
// sampled rows only, see kernels/cpu/sampled_rows.hpp, in their first rows; how many these are the
// host does not know, so dense products run over n_own rows, the rest of which are zero:
//   h1: elu(y_k), then dY_k, k in K      z, d_z: of j in J      h3: elu(q_j), j in J
//   d_o3: sqrt(m_j) elu(q_j), m_j how many own spots drew j, then dQ_j, j in J
// The first d_o3 is there for H3^T H3 over own spots, which is d_o3^T d_o3.

namespace stamarker {
namespace {

/// out_p = in_(index p), then elu if asked, for p < n_there[0]; else 0. One warp a row.
template <int pack>
__global__ void take_rows_kernel(int n_rows, const std::int32_t* n_there, const std::int32_t* index,
                                 const float* in, int width, Then then, float* out) {
  using Row = RowPart<pack>;
  const int p = row_of_warp();
  if (p >= n_rows) return;
  const bool is_there = p < n_there[0];
  const float* from = in + (is_there ? static_cast<std::int64_t>(index[p]) * width : 0);
  for (int first = 0; first < width; first += Row::columns) {
    Row row = is_there ? Row::load(from, first, width) : Row::zero();
    if (then == Then::elu) row.for_each([](float& v, int, int) { v = elu(v); });
    row.store(out + static_cast<std::int64_t>(p) * width, first, width);
  }
}

void take_rows(Stream stream, int n_rows, const std::int32_t* n_there, const std::int32_t* index,
               const float* in, int width, Then then, float* out) {
  with_packs(width, {in, out}, [&](auto pack) {
    launch(stream,
           {.n_blocks = blocks_for(n_rows, warps_per_block), .n_threads = threads_per_block},
           take_rows_kernel<pack()>, n_rows, n_there, index, in, width, then, out);
  });
}

/// d_p = c (m_p d_p - sum of y_i over the own spots i that drew row p) elu'(.) at h = elu(.),
/// 0 beyond the rows there are; and this block's share of <sum of y_i, h_p>. One warp a row.
template <int pack>
__global__ void sampled_slope_kernel(SampledRows sampled, float scale, const float* y,
                                     const float* h, int width, float* d, double* partial) {
  using Row = RowPart<pack>;
  BlockMemory memory;
  const Shared<double> workspace = memory.take<double>(warps_per_block);
  const int p = row_of_warp();
  const bool is_there = p < sampled.n_own && p < sampled.n_decoded[0];
  const std::int64_t begin = is_there ? sampled.decoded_start[p] : 0;
  const std::int64_t end = is_there ? sampled.decoded_start[p + 1] : 0;
  const auto weight = static_cast<float>(end - begin);
  const Lists own{sampled.decoded_start, sampled.own, nullptr, nullptr};
  const std::int64_t at = static_cast<std::int64_t>(p) * width;
  double dot = 0;
  for (int first = 0; first < width && p < sampled.n_own; first += Row::columns) {
    const Row of_y = combined<pack>(own, begin, end, y, width, first);
    const Row of_h = is_there ? Row::load(h + at, first, width) : Row::zero();
    Row slope = is_there ? Row::load(d + at, first, width) : Row::zero();
    slope.for_each([&](float& v, int k, int c) {
      const float here = of_h.part[k].value[c], sum = of_y.part[k].value[c];
      dot += static_cast<double>(sum) * here;
      v = scale * (weight * v - sum) * elu_slope(here);
    });
    slope.store(d + at, first, width);
  }
  dot = block_sum(dot, workspace);
  if (threadIdx.x == 0) partial[blockIdx.x] = dot;
}

/// out_j = first_(of_first j), or 0 where that is -1, less factor times second_(of_second j) for
/// j < n_second. Either may be missing: first_ null, n_second 0. One warp a row.
struct SpreadRows {
  const float* first;
  const std::int32_t* of_first;  // [n_rows]
  float factor;
  const float* second;
  const std::int32_t* of_second;  // [n_second]
  int n_second;
  Matrix out;
};
template <int pack>
__global__ void spread_rows_kernel(SpreadRows how) {
  using Row = RowPart<pack>;
  const int j = row_of_warp(), width = how.out.n_cols;
  if (j >= how.out.n_rows) return;
  const std::int32_t p = how.first == nullptr ? -1 : how.of_first[j];
  const std::int32_t q = j < how.n_second ? how.of_second[j] : -1;
  for (int first = 0; first < width; first += Row::columns) {
    Row row = Row::zero();
    if (p >= 0) row = Row::load(how.first + static_cast<std::int64_t>(p) * width, first, width);
    if (q >= 0)
      row.add(-how.factor,
              Row::load(how.second + static_cast<std::int64_t>(q) * width, first, width));
    row.store(how.out.data + static_cast<std::int64_t>(j) * width, first, width);
  }
}

void spread_rows(Stream stream, const SpreadRows& how) {
  with_packs(how.out.n_cols, {how.first, how.second, how.out.data}, [&](auto pack) {
    launch(
        stream,
        {.n_blocks = blocks_for(how.out.n_rows, warps_per_block), .n_threads = threads_per_block},
        spread_rows_kernel<pack()>, how);
  });
}

}  // namespace

void CudaBackend::encode_sampled(const StepView& step) {
  const int n_own = step.tile.n_own, width = step.y.n_cols, n_latent = step.z.n_cols;
  sampled_ =
      SampledRows::in(sampled_memory_.bytes(SampledRows::bytes_of(n_own, step.graph.n_sources)),
                      n_own, step.graph.n_sources);
  find_sampled_rows(stream(), step.graph, sampled_);
  take_rows(stream(), n_own, sampled_.n_encoded, sampled_.encoded, step.y.data, width, Then::elu,
            step.h1.data);
  const Matrix z{workspace<float>(static_cast<std::size_t>(n_own) * n_latent), n_own, n_latent};
  multiply(ConstMatrix(step.h1).rows(n_own), step.weights.w2, z);
  take_rows(stream(), n_own, sampled_.n_decoded, sampled_.encoded_of, z.data, n_latent,
            Then::nothing, step.z.data);
}

void CudaBackend::decode_sampled(const StepView& step) {
  const int n_own = step.tile.n_own, width = step.y.n_cols;
  expand(stream(), {.a = ConstMatrix(step.z).rows(n_own),
                    .w2 = step.weights.w2,
                    .out = step.h3,
                    .epilogue = Epilogue::sampled_elu,
                    .start = sampled_.decoded_start,
                    .n_rows = sampled_.n_decoded,
                    .scaled = step.d_o3.data});
  add_gram(step.d_o3, step.p);
  multiply(step.h3, step.s, step.d_o3);
  const int n_blocks = blocks_for(n_own, warps_per_block);
  double* partial = workspace<double>(n_blocks);
  with_packs(width, {step.y.data, step.h3.data, step.d_o3.data}, [&](auto pack) {
    launch(stream(),
           {.n_blocks = n_blocks,
            .n_threads = threads_per_block,
            .shared_bytes = shared_bytes<double>(warps_per_block)},
           sampled_slope_kernel<pack()>, sampled_, step.scale, step.y.data, step.h3.data, width,
           step.d_o3.data, partial);
  });
  sum_partials(stream(), n_blocks, partial, Sum::add, step.dot.data);
}

void CudaBackend::decoder_backward_sampled(const StepView& step) {
  const int n_own = step.tile.n_own;
  multiply(step.d_o3, step.weights.w2, step.d_z.rows(n_own));
  add_transposed_product(step.d_o3, ConstMatrix(step.z).rows(n_own), step.gradient.decoder_w2);
}

void CudaBackend::latent_backward_sampled(const StepView& step) {
  const int n_own = step.tile.n_own, n_latent = step.z.n_cols;
  const Matrix d_z{workspace<float>(static_cast<std::size_t>(n_own) * n_latent), n_own, n_latent};
  combine(stream(), n_own, {sampled_.encoded_start, sampled_.decoded_by_source, nullptr, nullptr},
          step.d_z.data, n_latent, Then::nothing, d_z.data, sampled_.n_encoded);
  add_transposed_product(ConstMatrix(step.h1).rows(n_own), d_z, step.gradient.w2);
  expand(stream(), {.a = d_z,
                    .w2 = step.weights.w2,
                    .out = step.h1.rows(n_own),
                    .epilogue = Epilogue::times_elu_slope});
}

/// X^T dY over the sampled spots, then X^T H3, whose row i is the sampled row that spot i took.
void CudaBackend::weight_gradient_sampled(const StepView& step) {
  const CudaExpression& x = expression_of(step);
  if (x.format() == ExpressionFormat::dense) return weight_gradient_sampled_dense(step, x);
  const SparseView xt = x.transposed_csr();
  const int n_own = step.tile.n_own;
  auto* end = static_cast<std::int64_t*>(
      renumbered_memory_.bytes(static_cast<std::size_t>(xt.n_rows) * sizeof(std::int64_t) +
                               xt.column.size * (sizeof(std::int32_t) + sizeof(float))));
  auto* column = reinterpret_cast<std::int32_t*>(end + xt.n_rows);
  auto* value = reinterpret_cast<float*>(column + xt.column.size);
  renumber_columns(stream(), xt, sampled_.encoded_position, end, column, value);
  multiply(Spmm{.a = {xt.n_rows, xt.row_start.data, end, column, value},
                .b = ConstMatrix(step.h1).rows(n_own),
                .n_b_rows = n_own,
                .n_b_rows_there = sampled_.n_encoded,
                .out = step.gradient.w1});
  const bool is_joint = step.gradient.is_joint();
  multiply(Spmm{
      .a = {xt.n_rows, xt.row_start.data, xt.row_start.data + 1, xt.column.data, xt.value.data},
      .b = step.h3,
      .b_row = sampled_.decoded_of,
      .n_b_rows = n_own,
      .factor = -step.scale,
      .store = is_joint ? Spmm::Store::add : Spmm::Store::overwrite,
      .out = step.gradient.decoder_w1});
}

/// The same with dY and H3 written out for every spot.
void CudaBackend::weight_gradient_sampled_dense(const StepView& step, const CudaExpression& x) {
  const GradientView& gradient = step.gradient;
  const int n_own = step.tile.n_own, n_spots = step.tile.n_spots, width = step.y.n_cols;
  const Matrix rows{workspace<float>(static_cast<std::size_t>(n_spots) * width), n_spots, width};
  SpreadRows how{step.h1.data, sampled_.encoded_position, step.scale,
                 step.h3.data, sampled_.decoded_of,       n_own,
                 rows};
  if (gradient.is_joint()) {
    spread_rows(stream(), how);
    return multiply_transposed(x, 1, rows, gradient.w1);
  }
  how.n_second = 0;
  spread_rows(stream(), how);
  multiply_transposed(x, 1, rows, gradient.w1);
  how = {nullptr, nullptr, step.scale, step.h3.data, sampled_.decoded_of, n_own, rows.rows(n_own)};
  spread_rows(stream(), how);
  multiply_transposed(x, 1, rows.rows(n_own), gradient.decoder_w1);
}

}  // namespace stamarker
