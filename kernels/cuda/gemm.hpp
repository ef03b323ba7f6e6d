#pragma once
#include <memory>

#include "kernels/backend.hpp"
#include "kernels/cuda/runtime.hpp"

namespace stamarker {

/// GEMM by a library: cuBLAS in gemm.cpp, the CPU backend's in tests/cuda_emulation/gemm.cpp.
/// Everything is enqueued. The same call is bitwise reproducible.
class Gemm {
 public:
  Gemm(Stream stream, Precision precision);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /// out = factor op(A) op(B) + keep out. keep: 0 or 1.
  void multiply(Transpose a_op, ConstMatrix a, Transpose b_op, ConstMatrix b, float factor,
                float keep, Matrix out);
  /// out = A^T A + keep out, [n_cols, n_cols]. Both triangles; out is symmetric before.
  void gram(ConstMatrix a, float keep, Matrix out);

 private:
  struct Library;
  std::unique_ptr<Library> library_;
};

}  // namespace stamarker
