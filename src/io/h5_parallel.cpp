#include "io/h5_parallel.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <limits>

#include "io/anndata_element.hpp"
#include "io/atomic_file.hpp"
#include "io/descriptor.hpp"

namespace stamarker::h5 {

namespace {

std::int64_t row_length(hid_t where, const std::string& name) {
  const std::vector<std::int64_t> shape = shape_of(where, name);
  expects(!shape.empty(), "a dataset with rows");
  std::int64_t length = 1;
  for (std::size_t d = 1; d < shape.size(); ++d) length *= shape[d];
  return length;
}

/// Of a dataset that create_typed_rows made: writes its rows past HDF5, to the place that HDF5 gave
/// them, so that no rank waits for another. Values are converted to the type in the file.
class RowWriter {
 public:
  /// Pieces of `most_bytes` are converted at a time.
  RowWriter(hid_t where, const std::string& name, hid_t type, std::size_t most_bytes)
      : path_(file_name(where)),
        type_(type),
        set_(open_dataset(where, name)),
        file_type_(H5Dget_type(set_)),
        width_(H5Tget_size(type)),
        file_width_(H5Tget_size(file_type_)),
        n_rows_(shape_of(where, name).at(0)),
        row_values_(static_cast<std::size_t>(row_length(where, name))),
        most_values_(std::max<std::size_t>(most_bytes / std::max(width_, file_width_), 1)),
        is_same_type_(H5Tequal(type, file_type_) > 0),
        begin_(H5Dget_offset(set_)),
        file_(path_, O_WRONLY | O_NOFOLLOW | write_flags(path_)) {
    check(file_.is_open() ? 0 : errno);
  }

  std::size_t row_bytes() const { return row_values_ * width_; }

  /// values: whole rows, from row `first` on.
  void write(std::int64_t first, std::span<const std::byte> values) {
    if (values.empty()) return;
    const std::size_t row = row_bytes();
    expects(row > 0 && values.size() % row == 0, "whole rows");
    const auto n = static_cast<std::int64_t>(values.size() / row);
    expects(first >= 0 && first + n <= n_rows_, "rows within the dataset");
    expects(begin_ != HADDR_UNDEF, "a dataset whose space is taken");
    auto at = static_cast<std::size_t>(first) * row_values_;  // values of the dataset
    const std::size_t step = is_same_type_ ? values.size() : most_values_ * width_;
    for (; !values.empty(); values = values.subspan(std::min(step, values.size()))) {
      const std::span<const std::byte> piece = values.first(std::min(step, values.size()));
      write_values(at, piece);
      at += piece.size() / width_;
    }
  }
  void close() { check(file_.close()); }

 private:
  void check(int error) const {
    if (error != 0) throw_not_written(path_of_partial(path_), error);
  }

  void write_values(std::size_t at, std::span<const std::byte> values) {
    if (!is_same_type_) {
      const std::size_t n = values.size() / width_;
      converted_.assign(values.begin(), values.end());
      converted_.resize(n * std::max(width_, file_width_));
      h5::check(H5Tconvert(type_, file_type_, n, converted_.data(), nullptr, H5P_DEFAULT));
      values = std::span(converted_).first(n * file_width_);
    }
    check(file_.write(static_cast<std::int64_t>(begin_ + at * file_width_),
                      {reinterpret_cast<const char*>(values.data()), values.size()}));
  }

  /// NFS writes whole pages of which this machine knows the rest, with what other machines wrote
  /// there meanwhile as it was before; but not of a file opened so.
  static int write_flags(const std::string& path) {
    struct statfs system {};
    return statfs(path.c_str(), &system) == 0 && system.f_type == NFS_SUPER_MAGIC ? O_DSYNC : 0;
  }

  std::string path_;
  hid_t type_;
  DataSet set_;
  Type file_type_;
  std::size_t width_, file_width_;  // bytes of a value in memory and in the file
  std::int64_t n_rows_;
  std::size_t row_values_, most_values_;
  bool is_same_type_;
  haddr_t begin_;  // of the values in the file
  Descriptor file_;
  std::vector<std::byte> converted_;
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
  write_on_each(comm, where, [&] {
    RowWriter rows(where, name, type, most_bytes);
    rows.write(first_row, values);
    rows.close();
  });
}

void write_typed_row_list(const Comm& comm, hid_t where, const std::string& name, hid_t type,
                          std::span<const std::int32_t> rows, std::span<const std::byte> values) {
  write_on_each(comm, where, [&] {
    RowWriter writer(where, name, type, converted_at_once);
    const std::size_t row_bytes = writer.row_bytes();
    expects(values.size() == rows.size() * row_bytes, "values for each listed row");
    for (std::size_t first = 0, end = 0; first < rows.size(); first = end) {
      for (end = first + 1; end < rows.size() && rows[end] == rows[end - 1] + 1;) ++end;
      writer.write(rows[first], values.subspan(first * row_bytes, (end - first) * row_bytes));
    }
    writer.close();
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
  const bool is_wide = n_entries > std::numeric_limits<std::int32_t>::max();
  const hid_t index = is_wide ? H5T_NATIVE_INT64 : H5T_NATIVE_INT32;
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
