#include "kernels/cpu/packed_gemm.hpp"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/cpu/instruction_sets.hpp"

namespace stamarker {
namespace {

/// Of C, what is summed in registers: rows of two vectors, beside two of B and one of A.
template <int lanes>
struct Tile {
  static constexpr int n_rows = lanes == 16 ? 12 : 6, width = 2 * lanes;
};

/// Terms that are summed before C is touched: all of a hidden layer, 32 KB of a panel on AVX2.
constexpr int terms_at_once = 512;
/// Rows of A that pass over a panel while it is in the nearest cache.
constexpr int rows_at_a_time = 48;

/// How C takes up its sums: whole where all of the tile is C's.
struct Target {
  float* at;
  std::ptrdiff_t stride;
  int n_rows, n_columns;
  float alpha, beta;
};

/// C = alpha sum + beta C.
template <int lanes>
[[gnu::always_inline]] inline void store(const Vector<lanes> (&sum)[Tile<lanes>::n_rows][2],
                                         const Target& c) {
  using V = Vector<lanes>;
  if (c.n_rows == Tile<lanes>::n_rows && c.n_columns == Tile<lanes>::width) {
#pragma GCC unroll 12
    for (int i = 0; i < Tile<lanes>::n_rows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        V* const to = reinterpret_cast<V*>(c.at + i * c.stride + std::ptrdiff_t{v} * lanes);
        *to = c.beta == 0 ? c.alpha * sum[i][v] : c.beta * *to + c.alpha * sum[i][v];
      }
    return;
  }
  V kept[Tile<lanes>::n_rows][2];  // or `sum` would not stay in registers for whole tiles either
  for (int i = 0; i < Tile<lanes>::n_rows; ++i)
    for (int v = 0; v < 2; ++v) kept[i][v] = sum[i][v];
  for (int i = 0; i < c.n_rows; ++i)
    for (int j = 0; j < c.n_columns; ++j) {
      float& to = c.at[i * c.stride + j];
      to = (c.beta == 0 ? 0 : c.beta * to) + c.alpha * kept[i][j / lanes][j % lanes];
    }
}

/// One tile of C over n terms, of rows of A in place or packed beside one another for every term.
template <int lanes, bool is_packed>
[[gnu::always_inline]] inline void add_terms(int n, const float* a, std::ptrdiff_t a_stride,
                                             const float* b, const Target& c) {
  using V = Vector<lanes>;
  const std::ptrdiff_t row_stride = is_packed ? 1 : a_stride;
  V sum[Tile<lanes>::n_rows][2] = {};
  for (int p = 0; p < n; ++p, b += Tile<lanes>::width) {
    const V b0 = *reinterpret_cast<const V*>(b), b1 = *reinterpret_cast<const V*>(b + lanes);
#pragma GCC unroll 12
    for (int i = 0; i < Tile<lanes>::n_rows; ++i) {
      const float value = a[i * row_stride];
      sum[i][0] += value * b0;
      sum[i][1] += value * b1;
    }
    a += is_packed ? Tile<lanes>::n_rows : 1;
  }
  store<lanes>(sum, c);
}

/// Where packed groups of rows begin: a cache line more than they take, for at whole pages from
/// each other their lines would drive one another out of the nearest cache.
constexpr std::ptrdiff_t group_size(int width) {
  return std::ptrdiff_t{terms_at_once} * width + 16;
}

/// Enough for all groups of the rows at a time, however wide a group is.
constexpr std::size_t most_packed = std::size_t{rows_at_a_time} * (terms_at_once + 16);
static_assert(rows_at_a_time % Tile<16>::n_rows == 0 && rows_at_a_time % Tile<8>::n_rows == 0);

/// Rows of a factor in groups of `width`, beside one another for every term, those beyond n_rows 0;
/// groups `group_stride` apart. Term by term, for the factor usually lies so.
template <int width>
[[gnu::always_inline]] inline void pack_rows(int n_rows, int n_terms, const float* from,
                                             std::ptrdiff_t row_stride, std::ptrdiff_t term_stride,
                                             float* out, std::ptrdiff_t group_stride) {
  constexpr int terms_ahead = 8, line = 16;  // rows of a matrix are far apart
  for (int p = 0; p < n_terms; ++p, from += term_stride, out += width) {
    if (row_stride == 1)
      for (int i = 0; i < n_rows; i += line)
        __builtin_prefetch(from + terms_ahead * term_stride + i);
    float* group = out;
    for (int first = 0; first < n_rows; first += width, group += group_stride) {
      const float* const rows = from + first * row_stride;
      if (row_stride == 1 && n_rows - first >= width) {
        std::memcpy(group, rows, width * sizeof(float));
        continue;
      }
      const int n = std::min(width, n_rows - first);
      for (int i = 0; i < n; ++i) group[i] = rows[i * row_stride];
      for (int i = n; i < width; ++i) group[i] = 0;
    }
  }
}

/// What this thread's factors were packed into and others may be: memory from the system would be
/// cleared anew each time, a fifth of a product of 1000 rows.
thread_local std::vector<detail::Storage> spare;

}  // namespace

PackedFactor::PackedFactor(Transpose op, int k, int n, const float* b, int stride) : k_(k), n_(n) {
  if (!spare.empty()) {
    storage_ = std::move(spare.back());
    spare.pop_back();
  }
  const std::ptrdiff_t row_stride = op == Transpose::yes ? 1 : stride;
  const std::ptrdiff_t column_stride = op == Transpose::yes ? stride : 1;
  panel_width_ = with_best_vectors([&](auto lanes) __attribute__((always_inline)) {
    return Tile<lanes>::width;
  });
  const int width = panel_width_, n_panels = (n + width - 1) / width;
  const std::size_t size = static_cast<std::size_t>(n_panels) * k * width;
  if (storage_.size < size) storage_ = {std::make_unique_for_overwrite<float[]>(size), size};
  float* const values = storage_.values.get();
  constexpr int terms_at_a_time = 64;
#pragma omp parallel for schedule(static) if (omp_in_parallel() == 0)
  for (int first = 0; first < k; first += terms_at_a_time)
    with_best_vectors([=](auto lanes) __attribute__((always_inline)) {
      constexpr int columns = Tile<lanes>::width;
      pack_rows<columns>(n, std::min(terms_at_a_time, k - first), b + first * row_stride,
                         column_stride, row_stride, values + std::ptrdiff_t{first} * columns,
                         std::ptrdiff_t{k} * columns);
    });
}

PackedFactor::~PackedFactor() {
  if (storage_.values != nullptr) spare.push_back(std::move(storage_));
}

void multiply_packed(Transpose a_op, int m, float alpha, const float* a, int a_stride,
                     const PackedFactor& b, float beta, float* c, int c_stride,
                     std::optional<int> diagonal) {
  const bool is_packed = a_op == Transpose::yes;
  const std::ptrdiff_t row_stride = is_packed ? 1 : a_stride;
  const std::ptrdiff_t term_stride = is_packed ? a_stride : 1;
  thread_local std::vector<float> packed_rows;
  packed_rows.resize(most_packed);
  float* const packed = packed_rows.data();
  with_best_vectors([ =, &b ](auto lanes) __attribute__((always_inline)) {
    using Shape = Tile<lanes>;
    for (int first_term = 0; first_term < std::max(1, b.k()); first_term += terms_at_once) {
      const int n_terms = std::min(terms_at_once, b.k() - first_term);
      const float* const a_terms = a + first_term * term_stride;
      for (int first = 0; first < m; first += rows_at_a_time) {
        const int last = std::min(m, first + rows_at_a_time);
        // Of rows in place, those that fill no tile.
        const int first_packed = is_packed ? first : last - (last - first) % Shape::n_rows;
        pack_rows<Shape::n_rows>(last - first_packed, n_terms, a_terms + first_packed * row_stride,
                                 row_stride, term_stride, packed, group_size(Shape::n_rows));
        for (int j = 0; j * Shape::width < b.n(); ++j) {
          const int column = j * Shape::width, n_columns = std::min(Shape::width, b.n() - column);
          for (int i = first; i < last; i += Shape::n_rows) {
            if (diagonal && column + n_columns <= *diagonal + i) break;
            const int n_rows = std::min(Shape::n_rows, last - i);
            const Target target{c + std::ptrdiff_t{i} * c_stride + column,
                                c_stride,
                                n_rows,
                                n_columns,
                                alpha,
                                first_term == 0 ? beta : 1};
            if (i >= first_packed)
              add_terms<lanes, true>(
                  n_terms, packed + (i - first_packed) / Shape::n_rows * group_size(Shape::n_rows),
                  1, b.panel(j, first_term), target);
            else
              add_terms<lanes, false>(n_terms, a_terms + i * row_stride, row_stride,
                                      b.panel(j, first_term), target);
          }
        }
      }
    }
  });
}

}  // namespace stamarker
