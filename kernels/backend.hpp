#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.hpp"
#include "kernels/functions.hpp"

namespace stamarker {

enum class Device { cpu, cuda };

/// Memory of a backend. Host code passes it on; it has no operator[] on purpose.
template <class T>
struct DeviceSpan {
  T* data = nullptr;
  std::size_t size = 0;

  constexpr DeviceSpan() = default;
  constexpr DeviceSpan(T* first, std::size_t n) : data(first), size(n) {}
  template <class U>
  requires std::same_as<const U, T>  // read-write memory serves where read-only is asked for
  constexpr DeviceSpan(DeviceSpan<U> other) : data(other.data), size(other.size) {}
};

/// A dense matrix by rows in backend memory, without gaps.
template <class T>
struct DeviceMatrix {
  T* data = nullptr;
  int n_rows = 0, n_cols = 0;

  constexpr DeviceMatrix() = default;
  constexpr DeviceMatrix(T* first, int rows, int cols) : data(first), n_rows(rows), n_cols(cols) {}
  template <class U>
  requires std::same_as<const U, T>
  constexpr DeviceMatrix(DeviceMatrix<U> other)
      : data(other.data), n_rows(other.n_rows), n_cols(other.n_cols) {}

  constexpr std::size_t size() const { return static_cast<std::size_t>(n_rows) * n_cols; }
  constexpr DeviceMatrix rows(int n) const { return {data, n, n_cols}; }  // the first n
};
using Matrix = DeviceMatrix<float>;
using ConstMatrix = DeviceMatrix<const float>;

/// A sparse matrix by rows (CSR) in backend memory.
struct SparseView {
  int n_rows = 0, n_cols = 0;
  DeviceSpan<const std::int64_t> row_start;  // [n_rows + 1]
  DeviceSpan<const std::int32_t> column;     // [n_entries]
  DeviceSpan<const float> value;             // [n_entries]
};

/// Who attends to whom in a tile. Row i lists the sources of spot i; none is empty. The transposed
/// graph lists for each source j the rows that attend to it, ascending, and the edges they do so
/// by.
struct GraphView {
  int n_rows = 0, n_sources = 0;
  DeviceSpan<const std::int64_t> row_start;     // [n_rows + 1]
  DeviceSpan<const std::int32_t> source;        // [n_edges]
  DeviceSpan<const std::int64_t> target_start;  // [n_sources + 1]
  DeviceSpan<const std::int32_t> target;        // [n_edges], the row
  DeviceSpan<const std::int64_t> edge;          // [n_edges], position in `source`
};

}  // namespace stamarker
