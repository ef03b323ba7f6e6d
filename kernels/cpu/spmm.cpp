#include <omp.h>

#include <algorithm>

#include "base/error.hpp"
#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {
namespace {

const CpuExpression& expression_of(const StepView& step) {
  expects(step.tile.x->n_rows() == step.tile.n_spots, "a row of expression for every spot");
  return static_cast<const CpuExpression&>(*step.tile.x);
}

/// Packs a tile of n rows of B.
void pack(const DenseOperand& b, int source, int n, int column, float* tile) {
  const std::size_t at = static_cast<std::size_t>(source);
  const int width = b.rows.n_cols;
  if (!b.row_of_source.empty()) {
    rows::pack_tile(n, b.row_of_source.data() + at, b.rows.data, width, column, tile);
    return;
  }
  const int both = std::clamp(b.less.n_rows - source, 0, n);
  if (both > 0)
    rows::pack_difference(both, b.rows.data + at * width, b.times, b.less.data + at * width, width,
                          column, tile);
  rows::pack_tile(n - both, nullptr, b.rows.data + (at + both) * width, width, column,
                  tile + static_cast<std::size_t>(both) * rows::tile_width());
}

}  // namespace

std::unique_ptr<Expression> CpuBackend::make_expression(const HostCsr& x, ExpressionFormat) {
  return std::make_unique<CpuExpression>(*this, x);
}

void CpuBackend::multiply(const ColumnBlockedCsr& a, const DenseOperand& b, float factor,
                          rows::Store store, Matrix out) {
  const ConstMatrix from = b.rows;
  expects(from.n_cols == out.n_cols && a.n_rows() == out.n_rows, "matching shapes in a product");
  const int width = rows::tile_width();
  const int n_tiles = (out.n_cols + width - 1) / width;
  // Every task packs tiles of its own: few tasks of many rows, but two for each thread. No sum
  // depends on how rows are cut into tasks.
  const int n_threads = omp_get_max_threads();
  const int tasks_wanted = std::max(1, 2 * n_threads / n_tiles);
  const int rows_per_task = std::clamp((a.n_rows() + tasks_wanted - 1) / tasks_wanted, 256, 3072);
  const int n_tasks = (a.n_rows() + rows_per_task - 1) / rows_per_task;
  const int n_sources = b.row_of_source.empty() ? std::min(a.n_columns(), from.n_rows)
                                                : static_cast<int>(b.row_of_source.size());
  if (store == rows::Store::overwrite && n_sources == 0) std::fill_n(out.data, out.size(), 0.0f);
  const std::size_t tile_size = static_cast<std::size_t>(a.columns_per_block()) * width;
  float* const tiles = packed(tile_size * n_threads);
#pragma omp parallel for schedule(dynamic) collapse(2)
  for (int t = 0; t < n_tiles; ++t) {
    for (int task = 0; task < n_tasks; ++task) {
      float* const tile = tiles + tile_size * omp_get_thread_num();
      const int first = task * rows_per_task, last = std::min(a.n_rows(), first + rows_per_task);
      for (int block = 0; block < a.n_blocks() && a.first_column(block) < n_sources; ++block) {
        const int source = a.first_column(block), end = a.first_column(block + 1);
        const int n = std::min(end, n_sources) - source;
        pack(b, source, n, t * width, tile);
        std::fill(tile + static_cast<std::size_t>(n) * width,
                  tile + static_cast<std::size_t>(end - source) * width, 0.0f);
        rows::spmm_tile(first, last, a.block(block), tile, factor,
                        block == 0 ? store : rows::Store::add,
                        std::min(width, out.n_cols - t * width), out.n_cols,
                        out.data + std::ptrdiff_t{t} * width);
      }
    }
  }
}

void CpuBackend::project(const StepView& step) {
  multiply(expression_of(step).blocks(), {step.weights.w1}, 1, rows::Store::overwrite, step.y);
}

void CpuBackend::weight_gradient(const StepView& step) {
  if (step.single_source) return weight_gradient_sampled(step);
  const CpuExpression& x = expression_of(step);
  const GradientView& gradient = step.gradient;
  const ConstMatrix h3 = ConstMatrix(step.h3).rows(step.tile.n_own);  // own spots come first
  if (gradient.is_joint()) {                                          // X^T (dY - c H3) in one pass
    multiply(x.transposed_blocks(), {step.y, {}, step.scale, h3}, 1, rows::Store::overwrite,
             gradient.w1);
    return;
  }
  multiply(x.transposed_blocks(), {step.y}, 1, rows::Store::overwrite, gradient.w1);
  multiply(x.transposed_blocks(), {h3}, -step.scale, rows::Store::overwrite, gradient.decoder_w1);
}

void CpuBackend::weight_gradient_sampled(const StepView& step) {
  const CpuExpression& x = expression_of(step);
  const GradientView& gradient = step.gradient;
  encoded_columns_.assign_transposed_subset(x.transposed_blocks(), x.csr(), sampled_.encoded);
  multiply(encoded_columns_, {ConstMatrix(step.h1).rows(sampled_.n_encoded())}, 1,
           rows::Store::overwrite, gradient.w1);
  multiply(x.transposed_blocks(),
           {ConstMatrix(step.h3).rows(sampled_.n_decoded()), sampled_.decoded_of}, -step.scale,
           gradient.is_joint() ? rows::Store::add : rows::Store::overwrite, gradient.decoder_w1);
}

}  // namespace stamarker
