#pragma once
#include <cstdint>

#include "kernels/buffer.hpp"

namespace stamarker {

/// A sparse matrix by rows (CSR) in backend memory.
struct SparseView {
  int n_rows = 0, n_cols = 0;
  DeviceSpan<const std::int64_t> row_start;  // [n_rows + 1]
  DeviceSpan<const std::int32_t> column;     // [nnz]
  DeviceSpan<const float> value;             // [nnz]
};

/// Owns one. Its backend outlives it.
class SparseBuffer {
 public:
  SparseBuffer(Backend& on, const HostCsr& m)
      : n_rows_(m.n_rows),
        n_cols_(m.n_cols),
        row_start_(on, m.row_start),
        column_(on, m.column),
        value_(on, m.value) {}
  SparseView view() const {
    return {n_rows_, n_cols_, row_start_.span(), column_.span(), value_.span()};
  }

 private:
  int n_rows_, n_cols_;
  Buffer<std::int64_t> row_start_;
  Buffer<std::int32_t> column_;
  Buffer<float> value_;
};

}  // namespace stamarker
