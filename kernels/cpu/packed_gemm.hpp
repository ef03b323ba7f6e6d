#pragma once
#include <cstddef>
#include <memory>
#include <optional>

#include "kernels/functions.hpp"

/// GEMM of our own, for where the BLAS falls short (is_gemm_fast() in gemm.hpp). A tile
/// of C stays in registers while all terms of a chunk of k are added, in their order: a sum does
/// not depend on how C is cut. After Goto and van de Geijn, Anatomy of High-Performance Matrix
/// Multiplication (2008).
namespace stamarker {

namespace detail {
struct Storage {
  std::unique_ptr<float[]> values;
  std::size_t size = 0;
};
}  // namespace detail

/// The right factor B [k, n] of one or many products, packed once: panels of as many columns as a
/// tile of C has, each with its k rows one after another, columns beyond n zero.
class PackedFactor {
 public:
  /// op(B) = B [k, n], B's rows `stride` apart. All threads, unless called in a parallel region.
  PackedFactor(Transpose op, int k, int n, const float* b, int stride);
  PackedFactor(PackedFactor&&) noexcept = default;
  ~PackedFactor();

  int k() const { return k_; }
  int n() const { return n_; }
  /// Row `first` of panel j and those after it.
  const float* panel(int j, int first) const {
    return storage_.values.get() + (static_cast<std::size_t>(j) * k_ + first) * panel_width_;
  }

 private:
  int k_, n_, panel_width_;
  detail::Storage storage_;
};

/// C = alpha op(A) B + beta C by one thread; C is [m, n] with rows `c_stride` apart. Where beta is
/// 0, C need hold nothing. With a diagonal, of row i only columns from `diagonal` + i on and what
/// shares a tile with them.
void multiply_packed(Transpose a_op, int m, float alpha, const float* a, int a_stride,
                     const PackedFactor& b, float beta, float* c, int c_stride,
                     std::optional<int> diagonal = {});

}  // namespace stamarker
