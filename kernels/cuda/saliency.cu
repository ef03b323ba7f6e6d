#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/packs.hpp"

namespace stamarker {
namespace {

template <int pack>
__global__ void relu_kernel(std::int64_t n, float* values) {
  const std::int64_t at = (std::int64_t{blockIdx.x} * threads_per_block + threadIdx.x) * pack;
  if (at >= n) return;
  Pack<pack> part = load_pack<pack>(values + at);
#pragma unroll
  for (int v = 0; v < pack; ++v) part.value[v] = part.value[v] > 0 ? part.value[v] : 0;
  store_pack<pack>(part, values + at);
}

}  // namespace

void CudaBackend::input_saliency(ConstMatrix d_y, ConstMatrix w1, Matrix out) {
  gemm_.multiply(Transpose::no, d_y, Transpose::yes, w1, 1, 0, out);
  const auto n = static_cast<std::int64_t>(out.size());
  with_packs(n, {out.data}, [&](auto pack) {
    launch(stream(),
           {.n_blocks = blocks_for(n, threads_per_block * pack()), .n_threads = threads_per_block},
           relu_kernel<pack()>, n, out.data);
  });
}

}  // namespace stamarker
