#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "kernels/backend.hpp"
#include "kernels/cuda/runtime.hpp"

namespace stamarker {

/// A sparse matrix by rows as libraries read it: all its indices of 32 bits.
struct LibraryRows {
  int n_rows = 0, n_cols = 0;
  std::int64_t n_entries = 0;     // below 2^31
  const std::int32_t* row_start;  // [n_rows + 1]
  const std::int32_t* column;     // [n_entries]
  const float* value;             // [n_entries]
};

/// The seam to the library of products of a sparse matrix. sparse_products.cpp has cuSPARSE;
/// on_host/sparse_products.cpp a loop over entries. Everything is enqueued; the same call gives the
/// same bits.
class SparseProducts {
 public:
  explicit SparseProducts(Queue queue);
  ~SparseProducts();
  SparseProducts(const SparseProducts&) = delete;
  SparseProducts& operator=(const SparseProducts&) = delete;

  /// Memory for one call in passing, at least so many bytes.
  using Scratch = std::function<void*(std::size_t bytes)>;
  /// out = factor A B + keep out. keep: 0 or 1.
  void multiply(const LibraryRows& a, ConstMatrix b, float factor, float keep, Matrix out,
                const Scratch& scratch);

 private:
  struct Library;
  std::unique_ptr<Library> library_;
};

}  // namespace stamarker
