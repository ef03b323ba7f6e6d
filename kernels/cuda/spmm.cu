#include <limits>

#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/packs.hpp"
#include "kernels/cuda/spmm_cost.hpp"
#include "kernels/cuda/spmm_kernel.hpp"

namespace stamarker {
namespace {

/// y -= c h.
template <int pack>
__global__ void subtract_scaled_kernel(std::int64_t n, float c, const float* h, float* y) {
  const std::int64_t at = (std::int64_t{blockIdx.x} * threads_per_block + threadIdx.x) * pack;
  if (at >= n) return;
  const Pack<pack> of_h = load_pack<pack>(h + at);
  Pack<pack> of_y = load_pack<pack>(y + at);
#pragma unroll
  for (int v = 0; v < pack; ++v) of_y.value[v] -= c * of_h.value[v];
  store_pack<pack>(of_y, y + at);
}

/// One warp a row: zeros, then the nonzeros.
__global__ void to_dense_kernel(SparseView x, Matrix out) {
  const int i = row_of_warp();
  if (i >= x.n_rows) return;
  float* row = out.data + static_cast<std::int64_t>(i) * out.n_cols;
  for (int c = lane(); c < out.n_cols; c += warp_size) row[c] = 0;
  __syncwarp();  // an entry may stand where another lane wrote its zero
  for (std::int64_t e = x.row_start.data[i] + lane(); e < x.row_start.data[i + 1]; e += warp_size)
    row[x.column.data[e]] = x.value.data[e];
}

__global__ void narrow_kernel(std::int64_t n, const std::int64_t* from, std::int32_t* to) {
  const std::int64_t k = std::int64_t{blockIdx.x} * threads_per_block + threadIdx.x;
  if (k < n) to[k] = static_cast<std::int32_t>(from[k]);
}

ExpressionShape shape_of(const SparseView& x) {
  return {x.n_rows, x.n_cols, static_cast<std::int64_t>(x.column.size)};
}

CsrRows rows_of(const SparseView& x) {
  return {x.n_rows, x.row_start.data, x.row_start.data + 1, x.column.data, x.value.data};
}

}  // namespace

bool CudaBackend::wants_dense(const SparseView& x) const {
  const std::size_t bytes =
      static_cast<std::size_t>(x.n_rows) * static_cast<std::size_t>(x.n_cols) * sizeof(float);
  return is_faster_dense(shape_of(x), options_.precision, n_processors()) &&
         has_room_for_dense(bytes, free_memory(), limits_.memory_bytes);
}

bool CudaBackend::wants_library(const SparseView& a, ExpressionFormat format) const {
  const bool fits = a.column.size <= std::numeric_limits<std::int32_t>::max();
  return fits &&
         (format == ExpressionFormat::fastest ? is_faster_by_library(shape_of(a), n_processors())
                                              : format == ExpressionFormat::spmm_library);
}

Buffer<std::int32_t> CudaBackend::row_start_32_of(const SparseView& a) {
  Buffer<std::int32_t> narrow(*this, a.row_start.size);
  const auto n = static_cast<std::int64_t>(a.row_start.size);
  launch(stream(), {.n_blocks = blocks_for(n, threads_per_block), .n_threads = threads_per_block},
         narrow_kernel, n, a.row_start.data, narrow.span().data);
  return narrow;
}

std::unique_ptr<Expression> CudaBackend::make_expression(const HostCsr& x,
                                                         ExpressionFormat format) {
  auto made = std::make_unique<CudaExpression>(*this, x);
  const SparseView csr = made->csr(), transposed = made->transposed_csr();
  if (format == ExpressionFormat::dense ||
      (format == ExpressionFormat::fastest && wants_dense(csr))) {
    made->dense_.emplace(*this, static_cast<std::size_t>(x.n_rows) * x.n_cols);
    to_dense(csr, made->dense_->matrix(x.n_rows, x.n_cols));
    return made;
  }
  if (wants_library(csr, format)) made->row_start_32_ = row_start_32_of(csr);
  if (wants_library(transposed, format))
    made->transposed_row_start_32_ = row_start_32_of(transposed);
  return made;
}

void CudaBackend::multiply_by_library(const SparseView& a, const std::int32_t* row_start_32,
                                      ConstMatrix b, float factor, float keep, Matrix out) {
  spmm_library_.multiply({a.n_rows, a.n_cols, static_cast<std::int64_t>(a.column.size),
                          row_start_32, a.column.data, a.value.data},
                         b, factor, keep, out,
                         [this](std::size_t bytes) { return workspace<unsigned char>(bytes); });
}

void CudaBackend::to_dense(const SparseView& x, Matrix out) {
  launch(stream(),
         {.n_blocks = blocks_for(x.n_rows, warps_per_block), .n_threads = threads_per_block},
         to_dense_kernel, x, out);
}

void CudaBackend::multiply(const Spmm& product) {
  const SpmmTiling cut = tiling_of(product, n_processors(), most_shared_bytes());
  enqueue_spmm(stream(), product, cut, workspace<unsigned char>(workspace_bytes(product, cut)));
}

void CudaBackend::project(const StepView& step) {
  const CudaExpression& x = expression_of(step);
  if (x.format() == ExpressionFormat::dense) return multiply(x.dense(), step.weights.w1, step.y);
  if (x.format() == ExpressionFormat::spmm_library)
    return multiply_by_library(x.csr(), x.row_start_32(), step.weights.w1, 1, 0, step.y);
  multiply(Spmm{.a = rows_of(x.csr()),
                .b = step.weights.w1,
                .n_b_rows = step.weights.w1.n_rows,
                .out = step.y});
}

/// out = factor X^T B, for as many spots as B has rows: own spots stand first.
void CudaBackend::multiply_transposed(const CudaExpression& x, float factor, ConstMatrix b,
                                      Matrix out) {
  if (x.transposed_format() == ExpressionFormat::dense)
    return gemm_.multiply(Transpose::yes, x.dense().rows(b.n_rows), Transpose::no, b, factor, 0,
                          out);
  // The library takes rows whole; the kernel leaves out nonzeros of spots that B has no row of.
  if (x.transposed_format() == ExpressionFormat::spmm_library && b.n_rows == x.n_rows())
    return multiply_by_library(x.transposed_csr(), x.transposed_row_start_32(), b, factor, 0, out);
  multiply(Spmm{.a = rows_of(x.transposed_csr()),
                .b = b,
                .n_b_rows = b.n_rows,
                .factor = factor,
                .out = out});
}

void CudaBackend::weight_gradient(const StepView& step) {
  if (step.single_source) return weight_gradient_sampled(step);
  const GradientView& gradient = step.gradient;
  const CudaExpression& x = expression_of(step);
  const bool joint = gradient.is_joint();
  if (joint) {  // X^T (dY - c H3) in one pass
    const auto n = static_cast<std::int64_t>(step.h3.size());
    with_packs(n, {step.h3.data, step.y.data}, [&](auto pack) {
      launch(
          stream(),
          {.n_blocks = blocks_for(n, threads_per_block * pack()), .n_threads = threads_per_block},
          subtract_scaled_kernel<pack()>, n, step.scale, step.h3.data, step.y.data);
    });
  }
  multiply_transposed(x, 1, step.y, gradient.w1);
  if (!joint) multiply_transposed(x, -step.scale, step.h3, gradient.decoder_w1);
}

}  // namespace stamarker
