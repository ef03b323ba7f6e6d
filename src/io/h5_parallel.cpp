#include "io/h5_parallel.hpp"

#include <algorithm>
#include <functional>

#include "io/anndata_element.hpp"
#include "io/atomic_file.hpp"

namespace stamarker::h5 {

namespace {

std::int64_t row_length(hid_t where, const std::string& name) {
  const std::vector<std::int64_t> shape = shape_of(where, name);
  expects(!shape.empty(), "a dataset with rows");
  std::int64_t length = 1;
  for (std::size_t d = 1; d < shape.size(); ++d) length *= shape[d];
  return length;
}

/// Writes rows of a dataset that create_typed_rows made. The transfers are independent, so that no
/// rank waits for another.
class RowWriter {
 public:
  /// Writes about `most_bytes` at a time: HDF5 1.10 takes less than 2 GB in one independent
  /// transfer.
  RowWriter(hid_t where, const std::string& name, hid_t type, std::size_t most_bytes)
      : type_(type),
        set_(open_dataset(where, name)),
        row_values_(row_length(where, name)),
        row_bytes_(static_cast<std::size_t>(row_values_) * H5Tget_size(type)),
        rows_at_once_(static_cast<std::int64_t>(
            std::max<std::size_t>(1, most_bytes / std::max<std::size_t>(row_bytes_, 1)))) {}

  std::size_t row_bytes() const { return row_bytes_; }

  /// values: whole rows, from row `first` on.
  void write(std::int64_t first, std::span<const std::byte> values) const {
    if (values.empty()) return;
    expects(row_bytes_ > 0 && values.size() % row_bytes_ == 0, "whole rows");
    const auto n_rows = static_cast<std::int64_t>(values.size() / row_bytes_);
    for (std::int64_t row = 0; row < n_rows; row += rows_at_once_) {
      const std::int64_t n = std::min(rows_at_once_, n_rows - row);
      const Space in_file = select_rows(set_, first + row, n);
      const Space in_memory = space_of({n * row_values_});
      check(H5Dwrite(set_, type_, in_memory, in_file, H5P_DEFAULT,
                     values.data() + static_cast<std::size_t>(row) * row_bytes_));
    }
  }

 private:
  hid_t type_;
  DataSet set_;
  std::int64_t row_values_;
  std::size_t row_bytes_;
  std::int64_t rows_at_once_;
};

/// Runs `work`, which writes rows by this rank alone; the ranks agree on failures. Collective.
void write_on_each(const Comm& comm, hid_t where, const std::function<void()>& work) {
  comm.together([&] { writing(path_of_partial(file_name(where)), work); });
}

/// What the other ranks write of a sparse matrix.
struct Share {
  std::int64_t first_row, n_rows, n_entries;
};

/// The number of entries before this rank's block. Collective.
std::int64_t entries_before(const Comm& comm, const SparseBlock& mine, std::int64_t n_rows,
                            std::int64_t n_entries) {
  const std::int64_t numbers[] = {mine.first_row, mine.n_rows(), mine.n_entries()};
  const std::vector<std::int64_t> all = comm.all_gather(std::span<const std::int64_t>(numbers));
  std::vector<Share> shares;
  for (std::size_t k = 0; k < all.size(); k += 3)
    if (all[k + 1] > 0) shares.push_back({all[k], all[k + 1], all[k + 2]});
  std::sort(shares.begin(), shares.end(),
            [](const Share& a, const Share& b) { return a.first_row < b.first_row; });
  std::int64_t row = 0, entry = 0, before = 0;
  for (const Share& share : shares) {
    expects(share.first_row == row, "blocks of rows that tile the matrix");
    if (mine.n_rows() > 0 && share.first_row == mine.first_row) before = entry;
    row += share.n_rows;
    entry += share.n_entries;
  }
  expects(row == n_rows, "blocks of rows that tile the matrix");
  expects(entry == n_entries, "as many entries as the matrix was made for");
  return before;
}

}  // namespace

void create_typed_rows(hid_t where, const std::string& name, hid_t type,
                       const std::vector<std::int64_t>& shape) {
  expects(!shape.empty() && shape.size() <= 3, "a dataset of one to three dimensions");
  const Properties how{H5Pcreate(H5P_DATASET_CREATE)};
  check(H5Pset_obj_track_times(how, false));
  check(H5Pset_fill_time(how, H5D_FILL_TIME_NEVER));  // every value is written by its owner
  check(H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY));
  const Properties links{H5Pcreate(H5P_LINK_CREATE)};
  check(H5Pset_create_intermediate_group(links, 1));
  const DataSet set{
      H5Dcreate2(where, name.c_str(), type, space_of(shape), links, how, H5P_DEFAULT)};
}

void write_typed_rows(const Comm& comm, hid_t where, const std::string& name, hid_t type,
                      std::int64_t first_row, std::span<const std::byte> values,
                      std::size_t most_bytes) {
  write_on_each(comm, where,
                [&] { RowWriter(where, name, type, most_bytes).write(first_row, values); });
}

void write_typed_row_list(const Comm& comm, hid_t where, const std::string& name, hid_t type,
                          std::span<const std::int32_t> rows, std::span<const std::byte> values) {
  write_on_each(comm, where, [&] {
    const RowWriter writer(where, name, type, written_at_once);
    const std::size_t row_bytes = writer.row_bytes();
    expects(values.size() == rows.size() * row_bytes, "values for each listed row");
    for (std::size_t first = 0, end = 0; first < rows.size(); first = end) {
      for (end = first + 1; end < rows.size() && rows[end] == rows[end - 1] + 1;) ++end;
      writer.write(rows[first], values.subspan(first * row_bytes, (end - first) * row_bytes));
    }
  });
}

SparseBlock block_of_rows(const SparseRows& matrix, Block rows) {
  SparseBlock block;
  block.first_row = rows.begin;
  block.n_cols = matrix.n_cols;
  if (rows.size() > 0)
    block.row_start = std::span(matrix.row_start)
                          .subspan(static_cast<std::size_t>(rows.begin),
                                   static_cast<std::size_t>(rows.size()) + 1);
  block.column = matrix.column;
  block.value = matrix.value;
  return block;
}

void create_csr(hid_t where, const std::string& name, std::int64_t n_rows, std::int64_t n_cols,
                std::int64_t n_entries) {
  const Group group = make_group(where, name);
  anndata::mark(group, "csr_matrix", "0.1.0");
  write_attribute(group, "shape", std::vector<std::int64_t>{n_rows, n_cols});
  const hid_t index = anndata::index_type(n_entries);
  create_typed_rows(group, "data", H5T_NATIVE_FLOAT, {n_entries});
  create_typed_rows(group, "indices", index, {n_entries});
  create_typed_rows(group, "indptr", index, {n_rows + 1});
}

void write_csr(const Comm& comm, hid_t where, const std::string& name, const SparseBlock& mine) {
  std::int64_t n_rows = 0, n_entries = 0;
  write_on_each(comm, where, [&] {
    n_rows = shape_of(where, name + "/indptr")[0] - 1;
    n_entries = shape_of(where, name + "/data")[0];
  });
  const std::int64_t before = entries_before(comm, mine, n_rows, n_entries);
  const std::size_t first = mine.row_start.empty() ? 0 : mine.row_start.front();
  const auto n = static_cast<std::size_t>(mine.n_entries());
  write_rows(comm, where, name + "/data", before, mine.value.subspan(first, n));
  write_rows(comm, where, name + "/indices", before, mine.column.subspan(first, n));
  // Row i ends at offset i + 1; offset 0 belongs to whoever owns row 0.
  std::vector<std::int64_t> offsets;
  const bool has_first = mine.first_row == 0;
  for (std::size_t i = has_first ? 0 : 1; i < mine.row_start.size(); ++i)
    offsets.push_back(mine.row_start[i] - mine.row_start[0] + before);
  write_rows(comm, where, name + "/indptr", mine.first_row + (has_first ? 0 : 1),
             std::span<const std::int64_t>(offsets));
}

}  // namespace stamarker::h5
