#include "io/anndata_matrix.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

namespace stamarker::anndata {

namespace {

void check_offsets(const std::vector<std::int64_t>& row_start, std::int64_t n_rows,
                   std::size_t n_columns, std::size_t n_values, const std::string& what) {
  if (static_cast<std::int64_t>(row_start.size()) != n_rows + 1)
    throw InputError(
        fmt::format("{}: indptr has {} entries, {} expected for {} rows; the matrix is "
                    "damaged",
                    what, row_start.size(), n_rows + 1, n_rows));
  if (n_columns != n_values || row_start.front() != 0 ||
      row_start.back() != static_cast<std::int64_t>(n_values))
    throw InputError(
        fmt::format("{}: indptr runs from {} to {}, but there are {} indices and {} "
                    "values; the matrix is damaged",
                    what, row_start.front(), row_start.back(), n_columns, n_values));
  if (!std::is_sorted(row_start.begin(), row_start.end()))
    throw InputError(what + ": indptr does not ascend; the matrix is damaged");
}

/// Sorts the entries of one row by column; equal columns keep their order, so sums do too.
void sort_row(std::int32_t* column, float* value, std::size_t n) {
  std::vector<std::pair<std::int32_t, float>> row(n);
  for (std::size_t k = 0; k < n; ++k) row[k] = {column[k], value[k]};
  std::stable_sort(row.begin(), row.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t k = 0; k < n; ++k) std::tie(column[k], value[k]) = row[k];
}

/// Joins entries of the same place and drops zeros; rows are in order already.
void compact(SparseRows& m) {
  std::int64_t to = 0, from = 0;
  for (int i = 0; i < m.n_rows; ++i) {
    const std::int64_t end = m.row_start[i + 1];
    for (; from < end;) {
      const std::int32_t c = m.column[from];
      float sum = 0;
      for (; from < end && m.column[from] == c; ++from) sum += m.value[from];
      if (sum == 0) continue;
      m.column[to] = c;
      m.value[to++] = sum;
    }
    m.row_start[i + 1] = to;
  }
  m.column.resize(static_cast<std::size_t>(to));
  m.value.resize(static_cast<std::size_t>(to));
}

SparseRows read_sparse(hid_t file, const std::string& name) {
  const h5::Group group = h5::open_group(file, name);
  const SparseHeader header = sparse_header(group, name);
  const std::string what = h5::file_name(file) + ": " + name;
  const std::int64_t n_major = header.is_csc ? header.n_cols : header.n_rows;
  const std::int64_t n_minor = header.is_csc ? header.n_rows : header.n_cols;
  SparseRows rows =
      ordered_rows(n_major, n_minor, h5::read<std::int64_t>(group, "indptr"),
                   h5::read<std::int32_t>(group, "indices"), h5::read<float>(group, "data"), what);
  return header.is_csc ? transposed(rows) : rows;
}

/// Appends the non-zeros of dense rows.
void append_dense(const std::vector<float>& dense, std::int64_t n_cols, SparseRows& m) {
  for (std::size_t first = 0; first < dense.size(); first += static_cast<std::size_t>(n_cols)) {
    for (std::int64_t c = 0; c < n_cols; ++c) {
      const float value = dense[first + static_cast<std::size_t>(c)];
      if (value == 0) continue;
      m.column.push_back(static_cast<std::int32_t>(c));
      m.value.push_back(value);
    }
    m.row_start.push_back(static_cast<std::int64_t>(m.column.size()));
  }
}

SparseRows read_dense(hid_t file, const std::string& name) {
  const std::vector<std::int64_t> shape = h5::shape_of(file, name);
  if (shape.size() != 2)
    throw InputError(fmt::format("{}: {} has {} dimensions, a matrix has 2", h5::file_name(file),
                                 name, shape.size()));
  SparseRows m;
  m.n_rows = static_cast<int>(shape[0]);
  m.n_cols = static_cast<int>(shape[1]);
  if (shape[0] == 0 || shape[1] == 0) {
    m.row_start.assign(static_cast<std::size_t>(shape[0]) + 1, 0);
    return m;
  }
  constexpr std::int64_t most_values = std::int64_t{1} << 23;  // 32 MB at a time
  const std::int64_t step = std::clamp<std::int64_t>(most_values / shape[1], 1, shape[0]);
  std::vector<float> block;
  for (std::int64_t first = 0; first < shape[0]; first += step) {
    const std::int64_t n = std::min(step, shape[0] - first);
    block.resize(static_cast<std::size_t>(n * shape[1]));
    h5::read_rows(file, name, first, n, h5::native_type<float>(), block.data());
    append_dense(block, shape[1], m);
  }
  return m;
}

}  // namespace

bool is_sparse(hid_t where, const std::string& name) {
  if (!h5::is_group(where, name)) return false;
  const h5::Group group = h5::open_group(where, name);
  const std::string encoding = h5::text_attribute_or_empty(group, "encoding-type");
  return encoding == "csr_matrix" || encoding == "csc_matrix" ||
         h5::has_attribute(group, "h5sparse_format");
}

SparseHeader sparse_header(hid_t group, const std::string& name) {
  const bool is_old = h5::has_attribute(group, "h5sparse_format");
  const std::string format =
      h5::text_attribute_or_empty(group, is_old ? "h5sparse_format" : "encoding-type");
  const std::string what = h5::file_name(group) + ": " + name;
  SparseHeader header;
  header.is_csc = format.rfind("csc", 0) == 0;
  if (!header.is_csc && format.rfind("csr", 0) != 0)
    throw InputError(
        fmt::format("{} is a group of encoding '{}', not a sparse matrix (csr_matrix, "
                    "csc_matrix)",
                    what, format));
  const std::string attribute = is_old ? "h5sparse_shape" : "shape";
  if (!h5::has_attribute(group, attribute))
    throw InputError(what + " has no attribute " + attribute + "; the file is damaged");
  const auto shape = h5::read_attribute<std::int64_t>(group, attribute);
  if (shape.size() != 2 || shape[0] < 0 || shape[1] < 0)
    throw InputError(what + ": attribute " + attribute + " is not the shape of a matrix");
  header.n_rows = shape[0];
  header.n_cols = shape[1];
  return header;
}

SparseRows ordered_rows(std::int64_t n_rows, std::int64_t n_cols,
                        std::vector<std::int64_t> row_start, std::vector<std::int32_t> column,
                        std::vector<float> value, const std::string& what) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (n_rows > most - 1 || n_cols > most - 1)
    throw InputError(fmt::format("{} has {} x {} entries; at most {} rows or columns are supported",
                                 what, n_rows, n_cols, most - 1));
  check_offsets(row_start, n_rows, column.size(), value.size(), what);
  for (const std::int32_t c : column)
    if (c < 0 || c >= n_cols)
      throw InputError(
          fmt::format("{} holds index {} of {}; the matrix is damaged", what, c, n_cols));
  SparseRows m{static_cast<int>(n_rows), static_cast<int>(n_cols), std::move(row_start),
               std::move(column), std::move(value)};
  for (int i = 0; i < m.n_rows; ++i) {
    const std::int64_t first = m.row_start[i], end = m.row_start[i + 1];
    if (!std::is_sorted(m.column.begin() + first, m.column.begin() + end))
      sort_row(m.column.data() + first, m.value.data() + first,
               static_cast<std::size_t>(end - first));
  }
  compact(m);
  return m;
}

SparseRows read_matrix(hid_t file, const std::string& name) {
  if (!h5::exists(file, name))
    throw InputError(fmt::format("{} has no {}", h5::file_name(file), name));
  return h5::is_group(file, name) ? read_sparse(file, name) : read_dense(file, name);
}

}  // namespace stamarker::anndata
