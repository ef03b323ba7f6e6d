#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/functions.hpp"

/// What multiplies X fastest: SpMM by our kernel (spmm_kernel.cu) or the library
/// (spmm_library.hpp: cuSPARSE) or, as a dense matrix, cuBLAS.
namespace stamarker {

struct ExpressionShape {
  int n_rows = 0, n_cols = 0;
  std::int64_t nnz = 0;
};

/// Cycles, added up over multiprocessors, for one column of the other factor. From counts at full
/// occupation, independent of the clock; bench_gpu measures what becomes of them.
///
/// The kernel: a warp reads four nonzeros at a time and 32 columns of each, so 512 bytes of shared
/// memory at 128 bytes a cycle, and column and value, a cycle each: 6 cycles for 4 x 32 products.
/// A row costs its sums' 8 shuffles, its start and end and its result, about 60 cycles for 32
/// columns. Every group of blocks reads the other factor once from L2 into shared memory.
inline constexpr double cycles_per_entry = 6.0 / (4 * 32);
inline constexpr double cycles_per_row = 60.0 / 32;
/// L2 gives 5120 bytes a cycle to 108 multiprocessors (NVIDIA A100 whitepaper; not told for later
/// ones).
inline constexpr double cycles_per_l2_float = sizeof(float) * 108.0 / 5120;
/// Groups of blocks, as tiling_of() makes them: one block on a multiprocessor, 32 columns each, of
/// the 512 of the default width of the attention layer.
inline constexpr int usual_width = 512, columns_per_block = 32;
/// The library: how it works is not told. Taken: as the kernel for each row, and for each entry a
/// row of the other factor out of L2, at the full rate. Its caches may make it faster.
inline constexpr double library_cycles_per_entry = cycles_per_l2_float;
/// Dense: the multiprocessor's FMAs a cycle on sm_90, 128 in float32 and 1024 of TF32 on
/// tensor cores (NVIDIA H100 data sheet: 67 and 495 TFLOP/s at 132 x 1.98 and 1.83 GHz), at the
/// share of that peak which cuBLAS is taken to reach.
inline constexpr double cycles_per_element_fp32 = 1 / (128 * 0.75);
inline constexpr double cycles_per_element_tf32 = 1 / (1024 * 0.6);

constexpr double cycles_by_kernel(const ExpressionShape& x, int n_processors) {
  const int n_groups =
      std::clamp(n_processors / (usual_width / columns_per_block), 1, std::max(1, x.n_rows));
  return cycles_per_entry * static_cast<double>(x.nnz) + cycles_per_row * x.n_rows +
         cycles_per_l2_float * n_groups * x.n_cols;
}
constexpr double cycles_by_library(const ExpressionShape& x) {
  return library_cycles_per_entry * static_cast<double>(x.nnz) + cycles_per_row * x.n_rows;
}
constexpr double cycles_dense(const ExpressionShape& x, Precision precision) {
  const double each =
      precision == Precision::tf32 ? cycles_per_element_tf32 : cycles_per_element_fp32;
  return each * static_cast<double>(x.n_rows) * x.n_cols;
}
constexpr bool is_faster_by_library(const ExpressionShape& x, int n_processors) {
  return cycles_by_library(x) < cycles_by_kernel(x, n_processors);
}
constexpr bool is_faster_dense(const ExpressionShape& x, Precision precision, int n_processors) {
  return cycles_dense(x, precision) <
         std::min(cycles_by_kernel(x, n_processors), cycles_by_library(x));
}

/// Dense copies leave three quarters of the device's memory to the sparse X and to the models.
constexpr bool has_room_for_dense(std::size_t bytes, std::size_t free, std::size_t total) {
  return bytes <= free && free - bytes >= total / 4 * 3;
}

}  // namespace stamarker
