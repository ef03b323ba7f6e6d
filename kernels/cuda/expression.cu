#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/packs.hpp"
#include "kernels/cuda/sparse.hpp"

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

SparseLists lists_of(const SparseView& x) {
  return {x.n_rows, x.row_start.data, x.row_start.data + 1, x.column.data, x.value.data};
}

}  // namespace

void CudaBackend::multiply(const SparseProduct& product) {
  const SparseCut cut = cut_of(product, n_processors(), most_shared_bytes());
  multiply_sparse(queue(), product, cut, scratch<unsigned char>(bytes_to_multiply(product, cut)));
}

void CudaBackend::project(const StepView& step) {
  multiply(SparseProduct{.a = lists_of(step.tile.x),
                         .b = step.weights.w1,
                         .n_b_rows = step.weights.w1.n_rows,
                         .out = step.y});
}

void CudaBackend::weight_gradient(const StepView& step) {
  if (step.single_source) return weight_gradient_drawn(step);
  const GradientView& gradient = step.gradient;
  const bool joint = gradient.decoder_w1.data == gradient.w1.data;
  if (joint) {  // X^T (dY - c H3) in one pass
    const auto n = static_cast<std::int64_t>(step.h3.size());
    with_packs(n, {step.h3.data, step.y.data}, [&](auto pack) {
      launch(
          queue(),
          {.n_blocks = blocks_for(n, threads_per_block * pack()), .n_threads = threads_per_block},
          subtract_scaled_kernel<pack()>, n, step.scale, step.h3.data, step.y.data);
    });
  }
  SparseProduct product{.a = lists_of(step.tile.x_transposed),
                        .b = step.y,
                        .n_b_rows = step.y.n_rows,
                        .store = SparseProduct::Store::add,
                        .out = gradient.w1};
  multiply(product);
  if (joint) return;
  product.b = step.h3;
  product.n_b_rows = step.tile.n_own;  // spots ascend, own ones first
  product.factor = -step.scale;
  product.out = gradient.decoder_w1;
  multiply(product);
}

}  // namespace stamarker
