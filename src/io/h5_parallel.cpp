#include "io/h5_parallel.hpp"

#include <algorithm>
#include <limits>

#include "io/anndata_element.hpp"
#include "io/atomic_file.hpp"

namespace stamarker::h5 {

namespace {

Properties transfer_of(hid_t object, bool is_collective) {
  const File file{H5Iget_file_id(object)};
  const Properties access{H5Fget_access_plist(file)};
  Properties transfer{H5Pcreate(H5P_DATASET_XFER)};
  if (H5Pget_driver(access) == H5FD_MPIO)
    check(H5Pset_dxpl_mpio(transfer, is_collective ? H5FD_MPIO_COLLECTIVE : H5FD_MPIO_INDEPENDENT));
  return transfer;
}

/// Runs one write and keeps the message of the first failure: the ranks go on together, and
/// agree at the end.
template <class Work>
void try_to_write(const std::string& path, std::string& failure, Work work) {
  try {
    writing(path, work);
  } catch (const InputError& error) {
    if (failure.empty()) failure = error.what();
  }
}

std::int64_t row_length(hid_t where, const std::string& name) {
  const std::vector<std::int64_t> shape = shape_of(where, name);
  expects(!shape.empty(), "a dataset with rows");
  std::int64_t length = 1;
  for (std::size_t d = 1; d < shape.size(); ++d) length *= shape[d];
  return length;
}

void write_selected(hid_t set, hid_t type, std::int64_t first, std::int64_t n,
                    const std::byte* values, std::int64_t row_values, hid_t transfer) {
  const Space in_file = select_rows(set, first, n);
  const Space in_memory = space_of({std::max<std::int64_t>(n * row_values, 1)});
  if (n * row_values == 0) check(H5Sselect_none(in_memory));
  check(H5Dwrite(set, type, in_memory, in_file, transfer, values));
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
                       const std::vector<std::int64_t>& shape, Layout layout) {
  expects(!shape.empty() && shape.size() <= 3, "a dataset of one to three dimensions");
  const Space space = space_of(shape);
  const Properties how{H5Pcreate(H5P_DATASET_CREATE)};
  check(H5Pset_obj_track_times(how, false));
  check(H5Pset_fill_time(how, H5D_FILL_TIME_NEVER));  // every value is written by its owner
  const bool is_empty = H5Sget_simple_extent_npoints(space) == 0;
  if (layout.chunk_rows > 0 && !is_empty) {
    std::vector<hsize_t> chunk(shape.begin(), shape.end());
    chunk[0] = static_cast<hsize_t>(std::min(layout.chunk_rows, shape[0]));
    check(H5Pset_chunk(how, static_cast<int>(chunk.size()), chunk.data()));
    if (layout.gzip > 0) check(H5Pset_deflate(how, static_cast<unsigned>(layout.gzip)));
  }
  if (layout.gzip == 0) check(H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY));
  const Properties links{H5Pcreate(H5P_LINK_CREATE)};
  check(H5Pset_create_intermediate_group(links, 1));
  const DataSet set{H5Dcreate2(where, name.c_str(), type, space, links, how, H5P_DEFAULT)};
}

void write_typed_rows(const Comm& comm, hid_t where, const std::string& name, hid_t type,
                      std::int64_t first_row, std::span<const std::byte> values,
                      std::size_t most_bytes) {
  const DataSet set = open_dataset(where, name);
  const Properties transfer = transfer_of(set, /*is_collective=*/true);
  const std::int64_t row_values = row_length(where, name);
  const std::size_t row_bytes = static_cast<std::size_t>(row_values) * H5Tget_size(type);
  expects(row_bytes == 0 ? values.empty() : values.size() % row_bytes == 0, "whole rows");
  const auto n_rows = static_cast<std::int64_t>(row_bytes == 0 ? 0 : values.size() / row_bytes);
  const auto step = static_cast<std::int64_t>(
      std::max<std::size_t>(1, most_bytes / std::max<std::size_t>(row_bytes, 1)));
  const std::int64_t n_rounds = comm.max((n_rows + step - 1) / step);
  const std::string path = path_of_partial(file_name(where));
  std::string failure;
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    const std::int64_t first = std::min(round * step, n_rows);
    const std::int64_t n = std::min(step, n_rows - first);
    try_to_write(path, failure, [&] {
      write_selected(set, type, n == 0 ? 0 : first_row + first, n,
                     values.data() + static_cast<std::size_t>(first) * row_bytes, row_values,
                     transfer);
    });
  }
  comm.agree(failure);
}

void write_typed_row_list(const Comm& comm, hid_t where, const std::string& name, hid_t type,
                          std::span<const std::int32_t> rows, std::span<const std::byte> values) {
  const DataSet set = open_dataset(where, name);
  const Properties transfer = transfer_of(set, /*is_collective=*/false);
  const std::int64_t row_values = row_length(where, name);
  const std::size_t row_bytes = static_cast<std::size_t>(row_values) * H5Tget_size(type);
  expects(values.size() == rows.size() * row_bytes, "values for each listed row");
  const std::string path = path_of_partial(file_name(where));
  std::string failure;
  try_to_write(path, failure, [&] {
    for (std::size_t first = 0, end = 0; first < rows.size(); first = end) {
      for (end = first + 1; end < rows.size() && rows[end] == rows[end - 1] + 1;) ++end;
      write_selected(set, type, rows[first], static_cast<std::int64_t>(end - first),
                     values.data() + first * row_bytes, row_values, transfer);
    }
  });
  comm.agree(failure);
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
  const bool is_wide = n_entries > std::numeric_limits<std::int32_t>::max();
  const hid_t index = is_wide ? H5T_NATIVE_INT64 : H5T_NATIVE_INT32;
  create_typed_rows(group, "data", H5T_NATIVE_FLOAT, {n_entries}, {});
  create_typed_rows(group, "indices", index, {n_entries}, {});
  create_typed_rows(group, "indptr", index, {n_rows + 1}, {});
}

void write_csr(const Comm& comm, hid_t where, const std::string& name, const SparseBlock& mine) {
  const Group group = open_group(where, name);
  const std::int64_t n_rows = shape_of(group, "indptr")[0] - 1;
  const std::int64_t before = entries_before(comm, mine, n_rows, shape_of(group, "data")[0]);
  const std::size_t first = mine.row_start.empty() ? 0 : mine.row_start.front();
  const auto n = static_cast<std::size_t>(mine.n_entries());
  write_rows(comm, group, "data", before, mine.value.subspan(first, n));
  write_rows(comm, group, "indices", before, mine.column.subspan(first, n));
  // Row i ends at offset i + 1; offset 0 belongs to whoever owns row 0.
  std::vector<std::int64_t> offsets;
  const bool has_first = mine.first_row == 0;
  for (std::size_t i = has_first ? 0 : 1; i < mine.row_start.size(); ++i)
    offsets.push_back(mine.row_start[i] - mine.row_start[0] + before);
  write_rows(comm, group, "indptr", mine.first_row + (has_first ? 0 : 1),
             std::span<const std::int64_t>(offsets));
}

}  // namespace stamarker::h5
