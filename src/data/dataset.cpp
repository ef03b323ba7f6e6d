#include "data/dataset.hpp"

#include <algorithm>
#include <numeric>

#include "data/sparse_rows.hpp"

namespace stamarker {

SparseRows transposed(const SparseRows& m) {
  SparseRows t;
  t.n_rows = m.n_cols;
  t.n_cols = m.n_rows;
  t.row_start.assign(static_cast<std::size_t>(t.n_rows) + 1, 0);
  for (const std::int32_t c : m.column) ++t.row_start[c + 1];
  std::partial_sum(t.row_start.begin(), t.row_start.end(), t.row_start.begin());
  t.column.resize(m.column.size());
  t.value.resize(m.value.size());
  std::vector<std::int64_t> next(t.row_start.begin(), t.row_start.end() - 1);
  for (int i = 0; i < m.n_rows; ++i) {
    for (std::int64_t k = m.row_start[i]; k < m.row_start[i + 1]; ++k) {
      const std::int64_t at = next[m.column[k]]++;
      t.column[at] = i;
      t.value[at] = m.value[k];
    }
  }
  return t;
}

SparseRows submatrix(const SparseRows& m, const std::vector<std::int32_t>& rows,
                     const std::vector<std::int32_t>& cols) {
  SparseRows s = selected(m, rows, places_of(cols, m.n_cols), static_cast<int>(cols.size()));
  s.column.shrink_to_fit();
  s.value.shrink_to_fit();
  if (std::is_sorted(cols.begin(), cols.end())) return s;
#pragma omp parallel for schedule(static)
  for (int r = 0; r < s.n_rows; ++r) {
    std::vector<std::pair<std::int32_t, float>> row;
    for (std::int64_t k = s.row_start[r]; k < s.row_start[r + 1]; ++k)
      row.emplace_back(s.column[k], s.value[k]);
    std::sort(row.begin(), row.end());
    std::int64_t at = s.row_start[r];
    for (const auto& [c, v] : row) {
      s.column[at] = c;
      s.value[at++] = v;
    }
  }
  return s;
}

}  // namespace stamarker
