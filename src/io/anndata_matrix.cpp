#include "io/anndata_matrix.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <tuple>

#include "data/sparse_rows.hpp"

namespace stamarker::anndata {

namespace {

/// Of the offsets of a compressed matrix: how many, the first and the last.
struct OffsetEnds {
  std::int64_t n, first, last;
};

void check_ends(OffsetEnds offsets, std::int64_t n_rows, std::size_t n_columns,
                std::size_t n_values, const std::string& what) {
  if (offsets.n != n_rows + 1)
    throw InputError(
        fmt::format("{}: indptr has {} entries, {} expected for {} rows; the matrix is "
                    "damaged",
                    what, offsets.n, n_rows + 1, n_rows));
  if (n_columns != n_values || offsets.first != 0 ||
      offsets.last != static_cast<std::int64_t>(n_values))
    throw InputError(
        fmt::format("{}: indptr runs from {} to {}, but there are {} indices and {} "
                    "values; the matrix is damaged",
                    what, offsets.first, offsets.last, n_columns, n_values));
}

void check_offsets(const std::vector<std::int64_t>& row_start, std::int64_t n_rows,
                   std::size_t n_columns, std::size_t n_values, const std::string& what) {
  const OffsetEnds ends{static_cast<std::int64_t>(row_start.size()),
                        row_start.empty() ? 0 : row_start.front(),
                        row_start.empty() ? 0 : row_start.back()};
  check_ends(ends, n_rows, n_columns, n_values, what);
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

/// Throws InputError for an index out of range; else whether all rows strictly ascend and hold no
/// zero, as they should.
bool is_tidy(const SparseRows& m, const std::string& what) {
  const auto n_cols = static_cast<std::uint32_t>(m.n_cols);
  int is_outside = 0, is_untidy = 0;
#pragma omp parallel for schedule(static) reduction(| : is_outside, is_untidy)
  for (int i = 0; i < m.n_rows; ++i) {
    const std::int32_t* column = m.column.data() + m.row_start[i];
    const float* value = m.value.data() + m.row_start[i];
    const auto n = static_cast<int>(m.row_start[i + 1] - m.row_start[i]);
#pragma omp simd reduction(| : is_outside, is_untidy)
    for (int k = 0; k < n; ++k) {
      is_outside |= static_cast<std::uint32_t>(column[k]) >= n_cols ? 1 : 0;  // also below 0
      is_untidy |= value[k] == 0 ? 1 : 0;
    }
#pragma omp simd reduction(| : is_untidy)
    for (int k = 1; k < n; ++k) is_untidy |= column[k] <= column[k - 1] ? 1 : 0;
  }
  if (is_outside == 0) return is_untidy == 0;
  for (const std::int32_t c : m.column)
    if (c < 0 || c >= m.n_cols)
      throw InputError(
          fmt::format("{} holds index {} of {}; the matrix is damaged", what, c, m.n_cols));
  return false;
}

/// Brings rows into order; most files have them so.
void tidy(SparseRows& m, const std::string& what) {
  if (is_tidy(m, what)) return;
  for (int i = 0; i < m.n_rows; ++i) {
    const std::int64_t first = m.row_start[i], end = m.row_start[i + 1];
    if (!std::is_sorted(m.column.begin() + first, m.column.begin() + end))
      sort_row(m.column.data() + first, m.value.data() + first,
               static_cast<std::size_t>(end - first));
  }
  compact(m);
}

SparseRows read_sparse(hid_t file, const std::string& name) {
  const h5::Group group = h5::open_group(file, name);
  const SparseHeader header = sparse_header(group, name);
  const std::string what = h5::file_name(file) + ": " + name;
  const std::int64_t n_major = header.is_csc ? header.n_cols : header.n_rows;
  const std::int64_t n_minor = header.is_csc ? header.n_rows : header.n_cols;
  SparseRows rows =
      ordered_rows(n_major, n_minor, h5::read<std::int64_t>(group, "indptr", {h5::any_length}),
                   h5::read<std::int32_t>(group, "indices", {h5::any_length}),
                   h5::read<float>(group, "data", {h5::any_length}), what);
  return header.is_csc ? transposed(rows) : rows;
}

/// Appends the non-zeros of `n_rows` dense rows of m.n_cols values.
void append_dense(const float* dense, std::int64_t n_rows, SparseRows& m) {
  for (std::int64_t i = 0; i < n_rows; ++i, dense += m.n_cols) {
    for (std::int32_t c = 0; c < m.n_cols; ++c) {
      if (dense[c] == 0) continue;
      m.column.push_back(c);
      m.value.push_back(dense[c]);
    }
    m.row_start.push_back(static_cast<std::int64_t>(m.column.size()));
  }
}

SparseRows read_dense(hid_t file, const std::string& name, std::int64_t n_rows,
                      std::int64_t n_cols) {
  SparseRows m;
  m.n_rows = static_cast<int>(n_rows);
  m.n_cols = static_cast<int>(n_cols);
  constexpr std::int64_t most_values = std::int64_t{1} << 23;  // 32 MB at a time
  const std::int64_t step =
      std::max<std::int64_t>(1, most_values / std::max<std::int64_t>(1, n_cols));
  h5::RowReader reader(file, name, {n_rows, n_cols});
  std::vector<float> block;
  for (std::int64_t first = 0; first < n_rows; first += step) {
    const std::int64_t n = std::min(step, n_rows - first);
    block.resize(static_cast<std::size_t>(n * n_cols));
    reader.read(first, n, h5::native_type<float>(), block.data());
    append_dense(block.data(), n, m);
  }
  return m;
}

/// Values [first, first + n) of the offsets of a compressed matrix.
std::vector<std::int64_t> read_offsets(hid_t group, std::int64_t first, std::int64_t n) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  h5::read_rows(group, "indptr", {h5::any_length}, first, n, h5::native_type<std::int64_t>(),
                values.data());
  return values;
}

}  // namespace

void check_size(std::int64_t n_rows, std::int64_t n_cols, const std::string& what) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  if (n_rows > most - 1 || n_cols > most - 1)
    throw InputError(fmt::format("{} has {} x {} entries; at most {} rows or columns are supported",
                                 what, n_rows, n_cols, most - 1));
}

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
  check_size(n_rows, n_cols, what);
  check_offsets(row_start, n_rows, column.size(), value.size(), what);
  SparseRows m{static_cast<int>(n_rows), static_cast<int>(n_cols), std::move(row_start),
               std::move(column), std::move(value)};
  tidy(m, what);
  return m;
}

std::vector<std::int64_t> shape_of_matrix(hid_t file, const std::string& name) {
  if (!h5::exists(file, name))
    throw InputError(fmt::format("{} has no {}", h5::file_name(file), name));
  std::vector<std::int64_t> shape;
  if (h5::is_group(file, name)) {
    const SparseHeader header = sparse_header(h5::open_group(file, name), name);
    shape = {header.n_rows, header.n_cols};
  } else {
    shape = h5::shape_of(file, name);
    if (shape.size() != 2)
      throw InputError(fmt::format("{}: {} has {} dimensions, a matrix has 2", h5::file_name(file),
                                   name, shape.size()));
  }
  check_size(shape[0], shape[1], h5::file_name(file) + ": " + name);
  return shape;
}

ChunkExtent chunk_extent(hid_t file, const std::string& name) {
  ChunkExtent extent;
  const auto add = [&](hid_t where, const std::string& dataset, std::int64_t row_entries) {
    const h5::DataSet set = h5::open_dataset(where, dataset);
    h5::expect_sound(set);
    const auto chunks = h5::CompressedChunks::of(set);
    if (!chunks) return;
    extent.n_entries = std::max(extent.n_entries, chunks->chunk_rows() * row_entries);
    extent.n_bytes += chunks->band_bytes();
  };
  if (!h5::is_group(file, name)) {
    add(file, name, shape_of_matrix(file, name)[1]);
  } else if (const h5::Group group = h5::open_group(file, name);
             !sparse_header(group, name).is_csc) {
    add(group, "indices", 1);
    add(group, "data", 1);
  }
  return extent;
}

SparseRows read_matrix(hid_t file, const std::string& name) {
  const std::vector<std::int64_t> shape = shape_of_matrix(file, name);
  if (h5::is_group(file, name)) return read_sparse(file, name);
  return read_dense(file, name, shape[0], shape[1]);
}

MatrixRows::MatrixRows(hid_t file, const std::string& name, Block mine)
    : what_(h5::file_name(file) + ": " + name), mine_(mine), chunk_(chunk_extent(file, name)) {
  const std::vector<std::int64_t> shape = shape_of_matrix(file, name);
  n_rows_ = shape[0];
  n_cols_ = shape[1];
  if (h5::is_group(file, name))
    kind_ = sparse_header(h5::open_group(file, name), name).is_csc ? Kind::csc : Kind::csr;
  expects(0 <= mine.begin && mine.begin <= mine.end && mine.end <= n_rows_, "rows of the matrix");
  if (kind_ == Kind::csr) open_csr(file, name);
  if (kind_ == Kind::csc) read_csc(file, name);
  if (kind_ == Kind::dense) dense_.emplace(file, name, h5::Lengths{n_rows_, n_cols_});
}

void MatrixRows::open_csr(hid_t file, const std::string& name) {
  const h5::Group group = h5::open_group(file, name);
  const std::int64_t n_offsets = h5::length_of(group, "indptr");
  const std::int64_t n_values = h5::length_of(group, "data");
  OffsetEnds ends{n_offsets, 0, 0};
  if (n_offsets > 0) {
    ends.first = read_offsets(group, 0, 1)[0];
    ends.last = read_offsets(group, n_offsets - 1, 1)[0];
  }
  check_ends(ends, n_rows_, static_cast<std::size_t>(h5::length_of(group, "indices")),
             static_cast<std::size_t>(n_values), what_);
  column_.emplace(group, "indices", h5::Lengths{n_values});
  value_.emplace(group, "data", h5::Lengths{n_values});
  row_start_ = read_offsets(group, mine_.begin, mine_.size() + 1);
  if (!std::is_sorted(row_start_.begin(), row_start_.end()) || row_start_.front() < 0 ||
      row_start_.back() > ends.last)
    throw InputError(what_ + ": indptr does not ascend; the matrix is damaged");
}

void MatrixRows::read_csc(hid_t file, const std::string& name) {
  constexpr std::int64_t most = std::int64_t{1} << 22;  // entries at a time
  const h5::Group group = h5::open_group(file, name);
  const auto column_start = h5::read<std::int64_t>(group, "indptr", {h5::any_length});
  const std::int64_t n_entries = h5::length_of(group, "indices");
  check_offsets(column_start, n_cols_, static_cast<std::size_t>(n_entries),
                static_cast<std::size_t>(h5::length_of(group, "data")), what_);
  h5::RowReader rows(group, "indices", {n_entries}), values(group, "data", {n_entries});
  const auto each_of_mine = [&](auto visit) {
    auto next = column_start.begin() + 1;
    for (std::int64_t first = 0; first < n_entries; first += most) {
      const std::int64_t n = std::min(most, n_entries - first);
      std::vector<std::int32_t> row(static_cast<std::size_t>(n));
      rows.read(first, n, h5::native_type<std::int32_t>(), row.data());
      visit(first, row, [&](std::int64_t entry) {
        while (*next <= entry) ++next;
        return static_cast<std::int32_t>(next - column_start.begin() - 1);
      });
    }
  };
  kept_.n_rows = mine_.size();
  kept_.n_cols = n_cols();
  kept_.row_start.assign(static_cast<std::size_t>(mine_.size()) + 1, 0);
  each_of_mine([&](std::int64_t, const std::vector<std::int32_t>& row, auto) {
    for (const std::int32_t i : row) {
      if (i < 0 || i >= n_rows_)
        throw InputError(
            fmt::format("{} holds index {} of {}; the matrix is damaged", what_, i, n_rows_));
      if (i >= mine_.begin && i < mine_.end) ++kept_.row_start[i - mine_.begin + 1];
    }
  });
  std::partial_sum(kept_.row_start.begin(), kept_.row_start.end(), kept_.row_start.begin());
  kept_.column.resize(static_cast<std::size_t>(kept_.n_entries()));
  kept_.value.resize(kept_.column.size());
  std::vector<std::int64_t> at(kept_.row_start.begin(), kept_.row_start.end() - 1);
  each_of_mine([&](std::int64_t first, const std::vector<std::int32_t>& row, auto column_of) {
    std::vector<float> value(row.size());
    values.read(first, static_cast<std::int64_t>(row.size()), h5::native_type<float>(),
                value.data());
    for (std::size_t k = 0; k < row.size(); ++k) {
      if (row[k] < mine_.begin || row[k] >= mine_.end) continue;
      const std::int64_t to = at[row[k] - mine_.begin]++;
      kept_.column[to] = column_of(first + static_cast<std::int64_t>(k));
      kept_.value[to] = value[k];
    }
  });
  tidy(kept_, what_);
}

int MatrixRows::end_of_block(int first, std::int64_t most_entries) const {
  expects(mine_.begin <= first && first < mine_.end, "a row of this part");
  if (kind_ == Kind::dense)
    return static_cast<int>(std::min<std::int64_t>(
        mine_.end,
        first + std::max<std::int64_t>(1, most_entries / std::max<std::int64_t>(1, n_cols_))));
  const std::vector<std::int64_t>& start = kind_ == Kind::csr ? row_start_ : kept_.row_start;
  const auto from = start.begin() + (first - mine_.begin);
  const auto end = std::upper_bound(from, start.end(), *from + most_entries);
  return std::max(first + 1, mine_.begin + static_cast<int>(end - start.begin()) - 1);
}

std::function<void()> MatrixRows::begin_read(int first, int last, SparseRows& rows) const {
  expects(mine_.begin <= first && first <= last && last <= mine_.end, "rows of this part");
  if (kind_ == Kind::csc)
    return [this, first, last, &rows] {
      rows = rows_of(kept_, first - mine_.begin, last - mine_.begin);
    };
  if (kind_ == Kind::dense) {
    auto dense = std::make_shared<std::vector<float>>(static_cast<std::size_t>(last - first) *
                                                      static_cast<std::size_t>(n_cols_));
    return [this, first, last, &rows, dense,
            coming = dense_->begin(first, last - first, h5::native_type<float>(), dense->data())] {
      coming.finish();
      rows = {};
      rows.n_rows = last - first;
      rows.n_cols = n_cols();
      append_dense(dense->data(), last - first, rows);
    };
  }
  const auto begin = row_start_.begin() + (first - mine_.begin);
  rows.n_rows = last - first;
  rows.n_cols = n_cols();
  rows.row_start.assign(begin, begin + (last - first) + 1);
  const std::int64_t before = rows.row_start.front();
  for (std::int64_t& offset : rows.row_start) offset -= before;
  rows.column.resize(static_cast<std::size_t>(rows.n_entries()));
  rows.value.resize(rows.column.size());
  auto columns =
      column_->begin(before, rows.n_entries(), h5::native_type<std::int32_t>(), rows.column.data());
  auto values =
      value_->begin(before, rows.n_entries(), h5::native_type<float>(), rows.value.data());
  return [this, columns = std::move(columns), values = std::move(values), &rows] {
    columns.inflate();
    values.inflate();  // before waiting for others' chunks of columns
    columns.finish();
    values.finish();
    tidy(rows, what_);
  };
}

}  // namespace stamarker::anndata
