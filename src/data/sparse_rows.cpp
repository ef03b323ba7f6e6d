#include "data/sparse_rows.hpp"

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

}  // namespace stamarker
