#include "kernels/cpu/gemm.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {
namespace {

// Columns of A, hence rows of A^T B, that one task computes with the BLAS. Of a symmetric product
// it takes those left of its diagonal block in vain: a 16th of all with 32 of 512. Our own products
// leave out whole tiles instead, and take as many columns as pass over a panel of B at a time.
constexpr int panel = 64, symmetric_panel = 32, packed_panel = 48;
// Rows of A that a task adds at a time, and that all tasks add before any goes on: oneDNN reaches
// its peak from 1024 terms, and the latter stay in L3.
constexpr int terms = 1024, shared_terms = 2048;
// Rows that our GEMM packs at a time: 1 MB of H3, 128 KB where a task packs its columns.
constexpr int packed_terms = 512;

/// The upper triangle of out += A^T B over rows first .. last - 1 of A and B.
void add_upper_triangle(ConstMatrix a, ConstMatrix b, int first, int last, Matrix out) {
  const int n = a.n_cols;
  const auto at = [n](auto m, int row, int column) {
    return m.data + static_cast<std::size_t>(row) * n + column;
  };
  if (!is_gemm_fast()) {
    const PackedFactor right(Transpose::no, last - first, n, at(b, first, 0), n);
    for_row_blocks(
        n,
        [&](int begin, int end) {
          multiply_packed(Transpose::yes, end - begin, 1, at(a, first, begin), n, right, 1,
                          at(out, begin, 0), n, {begin});
        },
        packed_panel);
    return;
  }
  for_row_blocks(
      n,
      [&](int begin, int end) {
        for (int k = first; k < last; k += terms)
          gemm(Transpose::yes, Transpose::no, end - begin, n - begin, std::min(terms, last - k), 1,
               at(a, k, begin), n, at(b, k, begin), n, 1, at(out, begin, begin), n);
      },
      symmetric_panel);
}

/// Rows begin .. end of out += A^T B by our products: of (B^T A)^T, for A is the wide one.
void add_transposed_rows(ConstMatrix a, ConstMatrix b, int begin, int end, Matrix out) {
  const int width = end - begin;
  std::vector<float> sum(static_cast<std::size_t>(b.n_cols) * width);
  for (int k = 0; k < a.n_rows; k += packed_terms) {
    const PackedFactor right(Transpose::no, std::min(packed_terms, a.n_rows - k), width,
                             a.data + static_cast<std::size_t>(k) * a.n_cols + begin, a.n_cols);
    multiply_packed(Transpose::yes, b.n_cols, 1, b.data + static_cast<std::size_t>(k) * b.n_cols,
                    b.n_cols, right, 1, sum.data(), width);
  }
  for (int i = begin; i < end; ++i)
    for (int c = 0; c < b.n_cols; ++c)
      out.data[static_cast<std::size_t>(i) * out.n_cols + c] +=
          sum[static_cast<std::size_t>(c) * width + i - begin];
}

}  // namespace

RightFactor::RightFactor(Transpose op, ConstMatrix b)
    : op_(op),
      b_(b),
      k_(op == Transpose::yes ? b.n_cols : b.n_rows),
      n_(op == Transpose::yes ? b.n_rows : b.n_cols) {
  if (!is_gemm_fast()) packed_.emplace(op, k_, n_, b.data, b.n_cols);
}

void RightFactor::multiply(int m, const float* a, float* c, float alpha, float beta) const {
  if (packed_)
    multiply_packed(Transpose::no, m, alpha, a, k_, *packed_, beta, c, n_);
  else
    gemm(Transpose::no, op_, m, n_, k_, alpha, a, k_, b_.data, b_.n_cols, beta, c, n_);
}

void add_transposed_product(ConstMatrix a, ConstMatrix b, Matrix out) {
  for_row_blocks(
      a.n_cols,
      [&](int begin, int end) {
        if (!is_gemm_fast()) return add_transposed_rows(a, b, begin, end, out);
        gemm(Transpose::yes, Transpose::no, end - begin, b.n_cols, a.n_rows, 1, a.data + begin,
             a.n_cols, b.data, b.n_cols, 1, out.data + static_cast<std::size_t>(begin) * out.n_cols,
             out.n_cols);
      },
      panel);
}

void add_symmetric_product(ConstMatrix a, ConstMatrix b, Matrix out) {
  const int n = a.n_cols, at_a_time = is_gemm_fast() ? shared_terms : packed_terms;
  for (int first = 0; first < a.n_rows; first += at_a_time)
    add_upper_triangle(a, b, first, std::min(a.n_rows, first + at_a_time), out);
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
  const RightFactor right(Transpose::no, p);
  for_row_blocks(a.n_rows, [&](int begin, int end) {
    right.multiply(end - begin, a.data + static_cast<std::size_t>(begin) * a.n_cols,
                   out.data + static_cast<std::size_t>(begin) * out.n_cols, c, 1);
  });
}

}  // namespace stamarker
