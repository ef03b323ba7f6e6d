#include "data/sparse_rows.hpp"

#include <algorithm>

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
  std::int64_t n_most = 0, n_most_of_row = 0;
  for (const std::int32_t i : rows) {
    const std::int64_t n = m.row_start[i + 1] - m.row_start[i];
    n_most += n;
    n_most_of_row = std::max(n_most_of_row, n);
  }
  s.column.reserve(static_cast<std::size_t>(n_most));  // what is not used is never touched
  s.value.reserve(s.column.capacity());
  // Of a row: its kept entries and one that may be dropped.
  std::vector<std::int32_t> column(static_cast<std::size_t>(n_most_of_row));
  std::vector<float> value(column.size());
  for (int r = 0; r < s.n_rows; ++r) {
    std::ptrdiff_t n = 0;
    for (std::int64_t k = m.row_start[rows[r]]; k < m.row_start[rows[r] + 1]; ++k) {
      column[n] = new_column[m.column[k]];  // no branch, which could not be foretold
      value[n] = m.value[k];
      n += column[n] >= 0 ? 1 : 0;
    }
    s.column.insert(s.column.end(), column.begin(), column.begin() + n);
    s.value.insert(s.value.end(), value.begin(), value.begin() + n);
    s.row_start[r + 1] = static_cast<std::int64_t>(s.column.size());
  }
  return s;
}

}  // namespace stamarker
