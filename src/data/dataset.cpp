#include "data/dataset.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"

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
  std::vector<std::int32_t> new_column(static_cast<std::size_t>(m.n_cols), -1);
  for (std::size_t c = 0; c < cols.size(); ++c) {
    expects(new_column.at(cols[c]) == -1, "distinct columns in a submatrix");
    new_column[cols[c]] = static_cast<std::int32_t>(c);
  }
  const bool ascending = std::is_sorted(cols.begin(), cols.end());
  const auto n_rows = static_cast<std::int64_t>(rows.size());
  SparseRows s;
  s.n_rows = static_cast<int>(rows.size());
  s.n_cols = static_cast<int>(cols.size());
  s.row_start.assign(rows.size() + 1, 0);
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < n_rows; ++r)
    s.row_start[r + 1] = std::count_if(m.column.begin() + m.row_start[rows[r]],
                                       m.column.begin() + m.row_start[rows[r] + 1],
                                       [&](std::int32_t c) { return new_column[c] >= 0; });
  std::partial_sum(s.row_start.begin(), s.row_start.end(), s.row_start.begin());
  s.column.resize(s.row_start.back());
  s.value.resize(s.row_start.back());
#pragma omp parallel for schedule(static)
  for (std::int64_t r = 0; r < n_rows; ++r) {
    std::vector<std::pair<std::int32_t, float>> row;
    for (std::int64_t k = m.row_start[rows[r]]; k < m.row_start[rows[r] + 1]; ++k)
      if (const std::int32_t c = new_column[m.column[k]]; c >= 0) row.emplace_back(c, m.value[k]);
    if (!ascending) std::sort(row.begin(), row.end());
    std::int64_t at = s.row_start[r];
    for (const auto& [c, v] : row) {
      s.column[at] = c;
      s.value[at++] = v;
    }
  }
  return s;
}

}  // namespace stamarker
