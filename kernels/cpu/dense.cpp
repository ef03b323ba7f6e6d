#include "kernels/cpu/dense.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {
namespace {

// Columns of A, hence rows of A^T B, that one task computes. Of a symmetric product it takes those
// left of its diagonal block in vain: a 16th of all with 32 of 512.
constexpr int panel = 64, symmetric_panel = 32;
// Rows of A that a task adds at a time, and that all tasks add before any goes on: oneDNN reaches
// its peak from 1024 terms, and the latter stay in the third-level cache.
constexpr int terms = 1024, shared_terms = 2048;

}  // namespace

void add_transposed_product(ConstMatrix a, ConstMatrix b, Matrix out) {
  for_row_blocks(
      a.n_cols,
      [&](int begin, int end) {
        gemm(Transpose::yes, Transpose::no, end - begin, b.n_cols, a.n_rows, 1, a.data + begin,
             a.n_cols, b.data, b.n_cols, 1, out.data + static_cast<std::size_t>(begin) * out.n_cols,
             out.n_cols);
      },
      panel);
}

void add_symmetric_product(ConstMatrix a, ConstMatrix b, Matrix out) {
  const int n = a.n_cols;
  const int n_panels = (n + symmetric_panel - 1) / symmetric_panel;
  for (int first = 0; first < a.n_rows; first += shared_terms) {
    const int last = std::min(a.n_rows, first + shared_terms);
#pragma omp parallel for schedule(dynamic)
    for (int p = 0; p < n_panels; ++p) {  // the longest first: columns from its own first
      const int begin = p * symmetric_panel, end = std::min(n, begin + symmetric_panel);
      for (int k = first; k < last; k += terms) {
        const float* rows = a.data + static_cast<std::size_t>(k) * n + begin;
        const float* columns = b.data + static_cast<std::size_t>(k) * n + begin;
        gemm(Transpose::yes, Transpose::no, end - begin, n - begin, std::min(terms, last - k), 1,
             rows, n, columns, n, 1, out.data + static_cast<std::size_t>(begin) * n + begin, n);
      }
    }
  }
  for_row_blocks(
      n,
      [&](int begin, int end) {
        for (int first = 0; first < end; first += symmetric_panel)  // squares that stay in cache
          for (int r = begin; r < end; ++r)
            for (int c = first; c < std::min(r, first + symmetric_panel); ++c)
              out.data[static_cast<std::size_t>(r) * n + c] =
                  out.data[static_cast<std::size_t>(c) * n + r];
      },
      symmetric_panel);
}

void CpuBackend::gram(ConstMatrix a, Matrix out) {
  std::memset(out.data, 0, out.size() * sizeof(float));
  add_symmetric_product(a, a, out);
}

void CpuBackend::add_product(float c, ConstMatrix a, ConstMatrix p, Matrix out) {
  for_row_blocks(a.n_rows, [&](int begin, int end) {
    gemm(Transpose::no, Transpose::no, end - begin, p.n_cols, a.n_cols, c,
         a.data + static_cast<std::size_t>(begin) * a.n_cols, a.n_cols, p.data, p.n_cols, 1,
         out.data + static_cast<std::size_t>(begin) * out.n_cols, out.n_cols);
  });
}

void CpuBackend::input_saliency(ConstMatrix d_y, ConstMatrix w1, Matrix out) {
  for_row_blocks(d_y.n_rows, [&](int begin, int end) {
    float* rows = out.data + static_cast<std::size_t>(begin) * out.n_cols;
    gemm(Transpose::no, Transpose::yes, end - begin, w1.n_rows, w1.n_cols, 1,
         d_y.data + static_cast<std::size_t>(begin) * d_y.n_cols, d_y.n_cols, w1.data, w1.n_cols, 0,
         rows, out.n_cols);
    const std::size_t n = static_cast<std::size_t>(end - begin) * out.n_cols;
    for (std::size_t k = 0; k < n; ++k) rows[k] = rows[k] > 0 ? rows[k] : 0;
  });
}

void CpuBackend::dot(ConstMatrix a, ConstMatrix b, DeviceSpan<double> out) {
  out.data[0] =
      sum_over_blocks(a.size(), std::size_t{1} << 14, [&](std::size_t begin, std::size_t end) {
        return rows::dot(end - begin, a.data + begin, b.data + begin);
      });
}

void CpuBackend::sum_of_squares(DeviceSpan<const float> values, DeviceSpan<double> out) {
  out.data[0] =
      sum_over_blocks(values.size, std::size_t{1} << 14, [&](std::size_t begin, std::size_t end) {
        return rows::dot(end - begin, values.data + begin, values.data + begin);
      });
}

}  // namespace stamarker
