#include "kernels/cuda/cuda_expression.hpp"

#include <numeric>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace stamarker {
namespace {

SparseBuffer transposed_on(Backend& on, const HostCsr& x) {
  std::vector<std::int64_t> row_start(static_cast<std::size_t>(x.n_cols) + 1, 0);
  for (const std::int32_t c : x.column) ++row_start[static_cast<std::size_t>(c) + 1];
  std::partial_sum(row_start.begin(), row_start.end(), row_start.begin());
  std::vector<std::int64_t> next(row_start.begin(), row_start.end() - 1);
  std::vector<std::int32_t> column(x.column.size());
  std::vector<float> value(x.value.size());
  for (int i = 0; i < x.n_rows; ++i) {
    for (std::int64_t e = x.row_start[i]; e < x.row_start[i + 1]; ++e) {
      const std::int64_t to = next[x.column[e]]++;
      column[to] = i;
      value[to] = x.value[e];
    }
  }
  return {on, {x.n_cols, x.n_rows, row_start, column, value}};
}

}  // namespace

CudaExpression::CudaExpression(Backend& on, const HostCsr& x)
    : Expression(x.n_rows, x.n_cols, static_cast<std::int64_t>(x.value.size())),
      x_(on, x),
      transposed_(transposed_on(on, x)) {}

ConstMatrix CudaExpression::dense() const {
  return dense_ ? dense_->matrix(n_rows(), n_cols()) : ConstMatrix();
}

ExpressionFormat CudaExpression::format() const {
  if (dense_) return ExpressionFormat::dense;
  return row_start_32_ ? ExpressionFormat::spmm_library : ExpressionFormat::spmm_kernel;
}

ExpressionFormat CudaExpression::transposed_format() const {
  if (dense_) return ExpressionFormat::dense;
  return transposed_row_start_32_ ? ExpressionFormat::spmm_library : ExpressionFormat::spmm_kernel;
}

const CudaExpression& expression_of(const StepView& step) {
  expects(step.tile.x->n_rows() == step.tile.n_spots, "a row of expression for every spot");
  return static_cast<const CudaExpression&>(*step.tile.x);
}

}  // namespace stamarker
