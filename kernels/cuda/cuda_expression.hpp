#pragma once
#include <cstdint>
#include <optional>

#include "kernels/sparse_view.hpp"

namespace stamarker {

/// X on a GPU: X and X^T by rows, and what the chosen formats need besides.
class CudaExpression : public Expression {
 public:
  CudaExpression(Backend& on, const HostCsr& x);

  SparseView csr() const { return x_.view(); }
  SparseView transposed_csr() const { return transposed_.view(); }
  /// X with its zeros [n_rows, n_cols]; empty unless the format is dense.
  ConstMatrix dense() const;
  /// The row starts of csr() and of transposed_csr() with 32 bits, as cuSPARSE reads them; null
  /// unless the format is spmm_library.
  const std::int32_t* row_start_32() const { return start_of(row_start_32_); }
  const std::int32_t* transposed_row_start_32() const { return start_of(transposed_row_start_32_); }
  ExpressionFormat format() const override;
  ExpressionFormat transposed_format() const override;

 private:
  friend class CudaBackend;  // which fills what follows
  using RowStart32 = std::optional<Buffer<std::int32_t>>;
  static const std::int32_t* start_of(const RowStart32& start) {
    return start ? start->span().data : nullptr;
  }

  SparseBuffer x_, transposed_;
  std::optional<Buffer<float>> dense_;
  RowStart32 row_start_32_, transposed_row_start_32_;
};

/// X of a step's tile, made by a CudaBackend.
const CudaExpression& expression_of(const StepView& step);

}  // namespace stamarker
