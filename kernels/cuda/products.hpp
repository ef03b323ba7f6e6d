#pragma once
#include <memory>

#include "kernels/backend.hpp"
#include "kernels/cuda/runtime.hpp"

namespace stamarker {

/// The seam to the libraries of products. products.cpp has cuBLAS; on_host/products.cpp
/// the CPU backend's. Everything is enqueued; the same call gives the same bits.
class Products {
 public:
  Products(Queue queue, Precision precision);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

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
