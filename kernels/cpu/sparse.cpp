#include <algorithm>

#include "base/error.hpp"
#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {

// B is first packed into tiles of 64 columns, each contiguous: the rows that one row of A combines
// then lie in few pages, and a tile of a few thousand rows stays in the second-level cache.
void CpuBackend::multiply(const rows::SparseLists& a, ConstMatrix b, float factor,
                          rows::Store store, Matrix out) {
  expects(b.n_cols == out.n_cols, "matching shapes in a sparse product");
  constexpr int width = rows::tile_width;
  const int n_tiles = (b.n_cols + width - 1) / width;
  const std::size_t tile_size = static_cast<std::size_t>(b.n_rows) * width;
  float* tiles = packed(tile_size * n_tiles);
#pragma omp parallel for schedule(dynamic)
  for (int t = 0; t < n_tiles; ++t)
    rows::pack_tile(b.n_rows, b.data, b.n_cols, t * width, tiles + t * tile_size);
  const int n_blocks = (out.n_rows + rows_per_block - 1) / rows_per_block;
#pragma omp parallel for schedule(dynamic) collapse(2)
  for (int t = 0; t < n_tiles; ++t) {
    for (int block = 0; block < n_blocks; ++block) {
      const int first = block * rows_per_block;
      rows::sparse_times_tile(first, std::min(out.n_rows, first + rows_per_block), a,
                              tiles + t * tile_size, factor, store,
                              std::min(width, b.n_cols - t * width), b.n_cols,
                              out.data + std::ptrdiff_t{t} * width);
    }
  }
}

void CpuBackend::to_dense(const SparseView& x, Matrix out) {
  for_row_blocks(x.n_rows, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      float* row = out.data + static_cast<std::size_t>(i) * out.n_cols;
      std::fill(row, row + out.n_cols, 0.0f);
      for (std::int64_t e = x.row_start.data[i]; e < x.row_start.data[i + 1]; ++e)
        row[x.column.data[e]] = x.value.data[e];
    }
  });
}

void CpuBackend::project(const StepView& step) {
  const SparseView& x = step.tile.x;
  multiply({x.row_start.data, x.row_start.data + 1, x.column.data, x.value.data}, step.weights.w1,
           1, rows::Store::overwrite, step.y);
}

void CpuBackend::weight_gradient(const StepView& step) {
  if (step.single_source) return weight_gradient_drawn(step);
  const SparseView& xt = step.tile.x_transposed;
  const GradientView& gradient = step.gradient;
  const bool joint = gradient.decoder_w1.data == gradient.w1.data;
  if (joint) {  // X^T (dY - c H3) in one pass
    for_row_blocks(step.tile.n_own, [&](int begin, int end) {
      const std::size_t first = static_cast<std::size_t>(begin) * step.y.n_cols;
      const std::size_t n = static_cast<std::size_t>(end - begin) * step.y.n_cols;
      rows::subtract_scaled(n, step.scale, step.h3.data + first, step.y.data + first);
    });
  }
  const std::int64_t* start = xt.row_start.data;
  multiply({start, start + 1, xt.column.data, xt.value.data}, step.y, 1, rows::Store::add,
           gradient.w1);
  if (joint) return;
  std::vector<std::int64_t> own_end(static_cast<std::size_t>(xt.n_rows));  // spots ascend
  for (int g = 0; g < xt.n_rows; ++g)
    own_end[g] = std::lower_bound(xt.column.data + start[g], xt.column.data + start[g + 1],
                                  step.tile.n_own) -
                 xt.column.data;
  multiply({start, own_end.data(), xt.column.data, xt.value.data}, step.h3, -step.scale,
           rows::Store::add, gradient.decoder_w1);
}

}  // namespace stamarker
