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

/// Where the rows of a matrix begin, for the library, whose indices are all of one width.
class LibraryLayout : public SparseLayout {
 public:
  LibraryLayout(Backend& backend, const SparseView& of)
      : row_start_(backend.allocate(of.row_start.size * sizeof(std::int32_t))) {}
  std::int32_t* row_start() const { return static_cast<std::int32_t*>(row_start_.get()); }

 private:
  Backend::Memory row_start_;  // [n_rows + 1]
};

ExpressionShape shape_of(const SparseView& x) {
  return {x.n_rows, x.n_cols, static_cast<std::int64_t>(x.column.size)};
}

CsrRows lists_of(const SparseView& x) {
  return {x.n_rows, x.row_start.data, x.row_start.data + 1, x.column.data, x.value.data};
}

}  // namespace

bool CudaBackend::wants_dense(const SparseView& x) const {
  const std::size_t bytes =
      static_cast<std::size_t>(x.n_rows) * static_cast<std::size_t>(x.n_cols) * sizeof(float);
  return is_faster_dense(shape_of(x), options_.precision, n_processors()) &&
         has_room_for_dense(bytes, free_memory(), limits_.memory_bytes);
}

std::unique_ptr<SparseLayout> CudaBackend::layout_of(const SparseView& x) {
  const bool fits = x.column.size <= std::numeric_limits<std::int32_t>::max();
  const bool is_wanted = options_.spmm_by == SpmmBy::fastest
                             ? is_faster_by_library(shape_of(x), n_processors())
                             : options_.spmm_by == SpmmBy::library;
  if (!fits || !is_wanted) return nullptr;
  auto layout = std::make_unique<LibraryLayout>(*this, x);
  const auto n = static_cast<std::int64_t>(x.row_start.size);
  launch(stream(), {.n_blocks = blocks_for(n, threads_per_block), .n_threads = threads_per_block},
         narrow_kernel, n, x.row_start.data, layout->row_start());
  return layout;
}

void CudaBackend::multiply_by_library(const SparseView& a, ConstMatrix b, float factor, float keep,
                                      Matrix out) {
  const auto& layout = static_cast<const LibraryLayout&>(*a.layout);
  spmm_library_.multiply({a.n_rows, a.n_cols, static_cast<std::int64_t>(a.column.size),
                          layout.row_start(), a.column.data, a.value.data},
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
  if (step.tile.x_dense.data != nullptr)
    return multiply(step.tile.x_dense, step.weights.w1, step.y);
  if (step.tile.x.layout != nullptr)
    return multiply_by_library(step.tile.x, step.weights.w1, 1, 0, step.y);
  multiply(Spmm{.a = lists_of(step.tile.x),
                .b = step.weights.w1,
                .n_b_rows = step.weights.w1.n_rows,
                .out = step.y});
}

/// out = factor X^T B, for as many spots as B has rows: own spots stand first.
void CudaBackend::multiply_transposed(const TileView& tile, float factor, ConstMatrix b,
                                      Matrix out) {
  if (tile.x_dense.data != nullptr)
    return gemm_.multiply(Transpose::yes, tile.x_dense.rows(b.n_rows), Transpose::no, b, factor, 0,
                          out);
  // The library takes rows whole; the kernel leaves out nonzeros of spots that B has no row of.
  if (tile.x_transposed.layout != nullptr && b.n_rows == tile.x_transposed.n_cols)
    return multiply_by_library(tile.x_transposed, b, factor, 0, out);
  multiply(Spmm{.a = lists_of(tile.x_transposed),
                .b = b,
                .n_b_rows = b.n_rows,
                .factor = factor,
                .out = out});
}

void CudaBackend::weight_gradient(const StepView& step) {
  if (step.single_source) return weight_gradient_sampled(step);
  const GradientView& gradient = step.gradient;
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
  multiply_transposed(step.tile, 1, step.y, gradient.w1);
  if (!joint) multiply_transposed(step.tile, -step.scale, step.h3, gradient.decoder_w1);
}

}  // namespace stamarker
