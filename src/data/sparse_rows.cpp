#include "data/sparse_rows.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"

namespace stamarker {

SparseRows rows_of(const SparseRows& m, int first, int last) {
  expects(0 <= first && first <= last && last <= m.n_rows, "rows of the matrix");
  SparseRows part;
  part.n_rows = last - first;
  part.n_cols = m.n_cols;
  part.row_start.clear();
  const std::int64_t begin = m.row_start[first], end = m.row_start[last];
  for (int i = first; i <= last; ++i) part.row_start.push_back(m.row_start[i] - begin);
  part.column.assign(m.column.begin() + begin, m.column.begin() + end);
  part.value.assign(m.value.begin() + begin, m.value.begin() + end);
  return part;
}

SparseRows empty_rows(int n_rows, int n_cols) {
  SparseRows m;
  m.n_rows = n_rows;
  m.n_cols = n_cols;
  m.row_start.assign(static_cast<std::size_t>(n_rows) + 1, 0);
  return m;
}

void append_rows(SparseRows& m, const SparseRows& more) {
  const std::int64_t before = m.n_entries();
  m.n_cols = more.n_cols;
  m.n_rows += more.n_rows;
  m.column.insert(m.column.end(), more.column.begin(), more.column.end());
  m.value.insert(m.value.end(), more.value.begin(), more.value.end());
  for (int i = 1; i <= more.n_rows; ++i) m.row_start.push_back(before + more.row_start[i]);
}

std::vector<std::int32_t> places_of(const std::vector<std::int32_t>& cols, int n_cols) {
  std::vector<std::int32_t> place(static_cast<std::size_t>(n_cols), -1);
  for (std::size_t c = 0; c < cols.size(); ++c) {
    expects(place.at(cols[c]) == -1, "distinct columns");
    place[cols[c]] = static_cast<std::int32_t>(c);
  }
  return place;
}

SparseRows selected(const SparseRows& m, const std::vector<std::int32_t>& rows,
                    const std::vector<std::int32_t>& new_column, int n_new_columns) {
  expects(new_column.size() == static_cast<std::size_t>(m.n_cols), "a place for each column");
  SparseRows s = empty_rows(static_cast<int>(rows.size()), n_new_columns);
#pragma omp parallel for schedule(static)
  for (int r = 0; r < s.n_rows; ++r)
    for (std::int64_t k = m.row_start[rows[r]]; k < m.row_start[rows[r] + 1]; ++k)
      s.row_start[r + 1] += new_column[m.column[k]] >= 0 ? 1 : 0;
  std::partial_sum(s.row_start.begin(), s.row_start.end(), s.row_start.begin());
  s.column.resize(static_cast<std::size_t>(s.n_entries()));
  s.value.resize(s.column.size());
#pragma omp parallel
  {
    std::vector<std::int32_t> column;  // of a row: its kept entries and one that may be dropped
    std::vector<float> value;
#pragma omp for schedule(static)
    for (int r = 0; r < s.n_rows; ++r) {
      const std::int64_t first = m.row_start[rows[r]], end = m.row_start[rows[r] + 1];
      column.resize(std::max(column.size(), static_cast<std::size_t>(end - first)));
      value.resize(column.size());
      std::size_t n = 0;
      for (std::int64_t k = first; k < end; ++k) {  // no branch, which could not be foretold
        column[n] = new_column[m.column[k]];
        value[n] = m.value[k];
        n += column[n] >= 0 ? 1 : 0;
      }
      std::copy_n(column.begin(), n, s.column.begin() + s.row_start[r]);
      std::copy_n(value.begin(), n, s.value.begin() + s.row_start[r]);
    }
  }
  return s;
}

}  // namespace stamarker
