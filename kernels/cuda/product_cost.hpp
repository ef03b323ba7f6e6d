#pragma once
#include <cstdint>

#include "kernels/functions.hpp"

/// Whether products with X are faster by its entries (sparse.cu) or, as a dense matrix, by cuBLAS.
namespace stamarker {

struct ExpressionShape {
  int n_rows = 0, n_cols = 0;
  std::int64_t n_entries = 0;
};

/// Cycles of one multiprocessor for one column of the other factor, at full occupation. Both ways
/// take time in proportion to the number of columns, so which is faster does not depend on it; nor
/// on the clock and the number of multiprocessors.
///
/// By entries: a warp reads four entries at a time and 32 columns of each, so 512 bytes of shared
/// memory at 128 bytes a cycle, and column and value, a cycle each: 6 cycles for 4 x 32 products.
/// A row costs its sums' 8 shuffles, its start and end and its result, about 60 cycles for 32
/// columns. From these counts; bench_gpu measures what becomes of them.
inline constexpr double cycles_per_entry = 6.0 / (4 * 32);
inline constexpr double cycles_per_row = 60.0 / 32;
/// Dense: the multiprocessor's multiply-adds a cycle on sm_90, 128 in float32 and 1024 of TF32 on
/// tensor cores (NVIDIA H100 data sheet: 67 and 495 TFLOP/s at 132 x 1.98 and 1.83 GHz), at the
/// share of that peak which cuBLAS is taken to reach.
inline constexpr double cycles_per_element_fp32 = 1 / (128 * 0.75);
inline constexpr double cycles_per_element_tf32 = 1 / (1024 * 0.6);

constexpr double cycles_by_entries(const ExpressionShape& x) {
  return cycles_per_entry * static_cast<double>(x.n_entries) + cycles_per_row * x.n_rows;
}
constexpr double cycles_dense(const ExpressionShape& x, Precision precision) {
  const double each =
      precision == Precision::tf32 ? cycles_per_element_tf32 : cycles_per_element_fp32;
  return each * static_cast<double>(x.n_rows) * x.n_cols;
}
constexpr bool is_faster_dense(const ExpressionShape& x, Precision precision) {
  return cycles_dense(x, precision) < cycles_by_entries(x);
}

/// The dense copy takes at most this share (one part in ...) of the memory that is free.
inline constexpr std::size_t dense_share_of_memory = 4;

}  // namespace stamarker
