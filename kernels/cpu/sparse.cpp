#include "base/error.hpp"
#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {

// B is first packed into tiles of 64 columns, each contiguous: the rows that one row of A combines
// then lie in few pages, and a tile of a few thousand rows stays in the second-level cache.
void CpuBackend::multiply(const SparseView& a, ConstMatrix b, Matrix out, float factor,
                          bool accumulate) {
  expects(a.n_cols >= b.n_rows && a.n_rows == out.n_rows && b.n_cols == out.n_cols,
          "matching shapes in a sparse product");
  constexpr int width = rows::tile_width;
  const int n_tiles = (b.n_cols + width - 1) / width;
  const std::size_t tile_size = static_cast<std::size_t>(b.n_rows) * width;
  float* tiles = packed(tile_size * n_tiles);
#pragma omp parallel for schedule(dynamic)
  for (int t = 0; t < n_tiles; ++t)
    rows::pack_tile(b.n_rows, b.data, b.n_cols, t * width, tiles + t * tile_size);
  const int n_blocks = (a.n_rows + rows_per_block - 1) / rows_per_block;
#pragma omp parallel for schedule(dynamic) collapse(2)
  for (int t = 0; t < n_tiles; ++t) {
    for (int block = 0; block < n_blocks; ++block) {
      const int first = block * rows_per_block;
      rows::sparse_times_tile(
          first, std::min(a.n_rows, first + rows_per_block),
          {a.row_start.data, a.column.data, a.value.data, b.n_rows}, tiles + t * tile_size, factor,
          accumulate ? rows::Store::add : rows::Store::overwrite,
          std::min(width, b.n_cols - t * width), b.n_cols, out.data + t * width);
    }
  }
}

void CpuBackend::project(const StepView& step) {
  multiply(step.tile.x, step.weights.w1, step.y, 1, false);
}

void CpuBackend::weight_gradient(const StepView& step) {
  const TileView& tile = step.tile;
  const GradientView& gradient = step.gradient;
  const bool joint = gradient.decoder_w1.data == gradient.w1.data;
  if (joint) {  // X^T (dY - c H3) in one pass
    for_row_blocks(tile.n_own, [&](int begin, int end) {
      const std::size_t first = static_cast<std::size_t>(begin) * step.y.n_cols;
      const std::size_t n = static_cast<std::size_t>(end - begin) * step.y.n_cols;
      rows::subtract_scaled(n, step.scale, step.h3.data + first, step.y.data + first);
    });
  }
  multiply(tile.x_transposed, step.y, gradient.w1, 1, true);
  if (!joint) multiply(tile.x_transposed, step.h3, gradient.decoder_w1, -step.scale, true);
}

}  // namespace stamarker
