#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/packed_gemm.hpp"

namespace stamarker::test {
namespace {

constexpr float no_value = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_values(std::size_t n, std::uint32_t seed) {
  std::vector<float> values(n);
  for (std::size_t k = 0; k < n; ++k)
    values[k] = static_cast<float>(random_normal({seed, 0, Purpose::simulation}, 0, k));
  return values;
}

/// op(X) at (i, j), X's rows `stride` apart.
float at(Transpose op, const std::vector<float>& x, int stride, int i, int j) {
  return op == Transpose::yes ? x[static_cast<std::size_t>(j) * stride + i]
                              : x[static_cast<std::size_t>(i) * stride + j];
}

struct Shape {
  int m, n, k;
};

/// Whole tiles, parts of tiles in both directions, one term, several chunks of terms, none.
constexpr Shape shapes[] = {{1, 1, 1},     {6, 16, 8},    {12, 32, 512}, {7, 17, 3},
                            {64, 30, 512}, {61, 47, 513}, {49, 7, 1100}, {100, 70, 0}};

TEST(PackedProduct, IsTheSumOfItsTermsForEveryShapeAndTransposition) {
  for (const Shape s : shapes)
    for (const Transpose a_op : {Transpose::no, Transpose::yes})
      for (const Transpose b_op : {Transpose::no, Transpose::yes}) {
        const int a_stride = (a_op == Transpose::yes ? s.m : s.k) + 3;
        const int b_stride = (b_op == Transpose::yes ? s.k : s.n) + 5, c_stride = s.n + 2;
        const auto a =
            random_values(static_cast<std::size_t>(std::max(s.m, s.k)) * a_stride + 1, 1);
        const auto b =
            random_values(static_cast<std::size_t>(std::max(s.n, s.k)) * b_stride + 1, 2);
        const auto before = random_values(static_cast<std::size_t>(s.m) * c_stride, 3);
        const PackedFactor right(b_op, s.k, s.n, b.data(), b_stride);
        for (const float beta : {0.0f, 1.0f, -0.5f}) {
          std::vector<float> c = before;
          if (beta == 0)  // C need hold nothing
            for (int i = 0; i < s.m; ++i)
              for (int j = 0; j < s.n; ++j)
                c[static_cast<std::size_t>(i) * c_stride + j] = no_value;
          multiply_packed(a_op, s.m, 2, a.data(), a_stride, right, beta, c.data(), c_stride);
          for (int i = 0; i < s.m; ++i)
            for (int j = 0; j < c_stride; ++j) {
              const std::size_t place = static_cast<std::size_t>(i) * c_stride + j;
              if (j >= s.n) {
                ASSERT_EQ(c[place], before[place]) << "written beyond the row";
                continue;
              }
              double sum = 0, size = 0;
              for (int p = 0; p < s.k; ++p) {
                const double term =
                    static_cast<double>(at(a_op, a, a_stride, i, p)) * at(b_op, b, b_stride, p, j);
                sum += term;
                size += std::abs(term);
              }
              const double expected = 2 * sum + (beta == 0 ? 0 : beta * double{before[place]});
              const double error = (2 * size + std::abs(beta * before[place])) * (s.k + 3) * 6e-8;
              ASSERT_NEAR(c[place], expected, error)
                  << s.m << " x " << s.n << " x " << s.k << " at " << i << ", " << j;
            }
        }
      }
}

TEST(PackedProduct, HasTheSameBitsHoweverItsRowsAreCut) {
  constexpr int m = 100, n = 70, k = 600;
  const auto a = random_values(std::size_t{m} * k, 4), b = random_values(std::size_t{k} * n, 5);
  const PackedFactor right(Transpose::no, k, n, b.data(), n);
  std::vector<float> whole(std::size_t{m} * n), cut(whole.size());
  multiply_packed(Transpose::no, m, 1, a.data(), k, right, 0, whole.data(), n);
  for (int i = 0; i < m; i += 7)
    multiply_packed(Transpose::no, std::min(7, m - i), 1, a.data() + std::ptrdiff_t{i} * k, k,
                    right, 0, cut.data() + std::ptrdiff_t{i} * n, n);
  EXPECT_EQ(whole, cut);
}

TEST(PackedProduct, LeavesTilesBelowTheDiagonalAlone) {
  constexpr int m = 90, n = 130, k = 40, diagonal = 30;
  const auto a = random_values(std::size_t{k} * m, 6), b = random_values(std::size_t{k} * n, 7);
  const PackedFactor right(Transpose::no, k, n, b.data(), n);
  std::vector<float> all(std::size_t{m} * n, 1), upper(all);
  multiply_packed(Transpose::yes, m, 1, a.data(), m, right, 1, all.data(), n);
  multiply_packed(Transpose::yes, m, 1, a.data(), m, right, 1, upper.data(), n, {diagonal});
  int n_left = 0;
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      const std::size_t place = static_cast<std::size_t>(i) * n + j;
      if (j >= diagonal + i) {
        EXPECT_EQ(upper[place], all[place]) << i << ", " << j;
      } else {
        n_left += upper[place] == 1 ? 1 : 0;
      }
    }
  EXPECT_GT(n_left, (m * (m - 1) / 2 + m * diagonal) / 2);
}

// The products of an epoch by whichever computes them here: the BLAS, or ours.
TEST(DenseProducts, OfATransposedMatrixAreTheSumsOverItsRows) {
  constexpr int n_rows = 1500, n_columns = 75, n_narrow = 30;
  auto a = random_values(std::size_t{n_rows} * n_columns, 8);
  auto narrow = random_values(std::size_t{n_rows} * n_narrow, 9);
  std::vector<float> symmetric(std::size_t{n_columns} * n_columns, 1);
  std::vector<float> other(std::size_t{n_columns} * n_narrow, 1);
  const Matrix a_view{a.data(), n_rows, n_columns};
  add_symmetric_product(a_view, a_view, {symmetric.data(), n_columns, n_columns});
  add_transposed_product(a_view, Matrix{narrow.data(), n_rows, n_narrow},
                         {other.data(), n_columns, n_narrow});
  const auto expect_sum = [&](float value, int i, const std::vector<float>& b, int width, int j) {
    double sum = 1, size = 1;
    for (int p = 0; p < n_rows; ++p) {
      const double term = double{a[static_cast<std::size_t>(p) * n_columns + i]} *
                          b[static_cast<std::size_t>(p) * width + j];
      sum += term;
      size += std::abs(term);
    }
    ASSERT_NEAR(value, sum, size * n_rows * 6e-8) << i << ", " << j;
  };
  for (int i = 0; i < n_columns; ++i) {
    for (int j = 0; j < n_columns; ++j) {
      expect_sum(symmetric[static_cast<std::size_t>(i) * n_columns + j], i, a, n_columns, j);
      ASSERT_EQ(symmetric[static_cast<std::size_t>(i) * n_columns + j],
                symmetric[static_cast<std::size_t>(j) * n_columns + i]);
    }
    for (int j = 0; j < n_narrow; ++j)
      expect_sum(other[static_cast<std::size_t>(i) * n_narrow + j], i, narrow, n_narrow, j);
  }
}

}  // namespace
}  // namespace stamarker::test
