#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/gemm.hpp"

namespace stamarker {

void CpuBackend::input_saliency(ConstMatrix d_y, ConstMatrix w1, Matrix out) {
  const RightFactor right(Transpose::yes, w1);
  for_row_blocks(d_y.n_rows, [&](int begin, int end) {
    float* rows = out.data + static_cast<std::size_t>(begin) * out.n_cols;
    right.multiply(end - begin, d_y.data + static_cast<std::size_t>(begin) * d_y.n_cols, rows);
    const std::size_t n = static_cast<std::size_t>(end - begin) * out.n_cols;
    for (std::size_t k = 0; k < n; ++k) rows[k] = rows[k] > 0 ? rows[k] : 0;
  });
}

}  // namespace stamarker
