#pragma once
#include <optional>
#include <string>

#include "kernels/backend.hpp"
#include "kernels/cpu/packed_gemm.hpp"

namespace stamarker {

/// C = alpha op(A) op(B) + beta C by one thread; C is [m, n], row-major, k terms a sum.
/// The one seam to the BLAS: oneDNN's sgemm on x86-64, OpenBLAS's elsewhere, where oneDNN has but a
/// reference body. May be called from inside a parallel region.
void gemm(Transpose a_op, Transpose b_op, int m, int n, int k, float alpha, const float* a, int lda,
          const float* b, int ldb, float beta, float* c, int ldc);

/// Whether it comes near the processor's peak. oneDNN's does with AVX-512; with AVX2 it stays at
/// half of it (docs/performance.md), and the products below are then ours (packed_gemm.hpp).
bool is_gemm_fast();

/// The library behind gemm with its version, "oneDNN 2.6"; of OpenBLAS also the core it chose.
std::string gemm_library();

/// op(B) [k, n] of several products, packed once where that helps; else it refers to B.
class RightFactor {
 public:
  RightFactor(Transpose op, ConstMatrix b);
  /// C = alpha A op(B) + beta C by one thread; A [m, k], C [m, n].
  void multiply(int m, const float* a, float* c, float alpha = 1, float beta = 0) const;

 private:
  Transpose op_;
  ConstMatrix b_;
  int k_, n_;
  std::optional<PackedFactor> packed_;
};

/// out += A^T B, all threads, cut into panels of output rows so that no sum is split.
void add_transposed_product(ConstMatrix a, ConstMatrix b, Matrix out);

/// out += A^T B where the result is known to be symmetric: half the work, mirrored.
void add_symmetric_product(ConstMatrix a, ConstMatrix b, Matrix out);

}  // namespace stamarker
