#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "data/dataset.hpp"
#include "io/h5.hpp"
#include "io/row_reader.hpp"

/// Matrices of AnnData files.
namespace stamarker::anndata {

/// A sparse group's kind and size, whichever version of anndata wrote it.
struct SparseHeader {
  bool is_csc = false;
  std::int64_t n_rows = 0, n_cols = 0;
};
/// Throws InputError if the group is not a sparse matrix.
SparseHeader sparse_header(hid_t group, const std::string& name);
bool is_sparse(hid_t where, const std::string& name);

/// Throws InputError for a matrix `what` with more rows or columns than 32 bits count.
void check_size(std::int64_t n_rows, std::int64_t n_cols, const std::string& what);
/// Rows and columns. Throws InputError if there is no matrix of that name.
std::vector<std::int64_t> shape_of_matrix(hid_t file, const std::string& name);

/// A matrix of numbers as CSR: a group marked csr_matrix or csc_matrix, one of h5sparse (before
/// anndata 0.7), or a dense dataset, which is read in blocks of rows. Columns ascend, entries of
/// the same place are summed, zeros are dropped.
/// Throws InputError: missing, no numbers, wrong shape, indices out of range, offsets that fall.
SparseRows read_matrix(hid_t file, const std::string& name);

/// Of a CSR or dense matrix with compressed chunks: entries that are inflated together, and the
/// bytes which these take in the file's types; 0 of others.
struct ChunkExtent {
  std::int64_t n_entries = 0, n_bytes = 0;
};
ChunkExtent chunk_extent(hid_t file, const std::string& name);

/// Some rows of such a matrix, read block by block when they are asked for: CSR and dense ones hold
/// nothing in memory. A CSC matrix is read once, by blocks of columns, and its part is kept.
class MatrixRows {
 public:
  /// Rows `mine` of the matrix. `file` must outlive this object. Throws InputError as read_matrix.
  MatrixRows(hid_t file, const std::string& name, Block mine);

  int n_rows() const { return static_cast<int>(n_rows_); }  // of the whole matrix
  int n_cols() const { return static_cast<int>(n_cols_); }
  Block mine() const { return mine_; }
  /// Of a CSR matrix: where the entries of each row of mine() begin in the file, [rows + 1].
  std::span<const std::int64_t> row_start() const { return row_start_; }
  /// One past the last row of the block that begins at `first`: at most `most_entries` entries, at
  /// least one row.
  int end_of_block(int first, std::int64_t most_entries) const;
  ChunkExtent chunk() const { return chunk_; }
  /// Rows first .. last - 1 of mine(), whose arrays replace those of `rows`.
  void read(int first, int last, SparseRows& rows) const { begin_read(first, last, rows)(); }
  /// The same in two steps: this calls HDF5, so one thread at a time; what it returns does not, and
  /// makes `rows` complete. Several threads may be in that at once, where chunks are inflated.
  [[nodiscard]] std::function<void()> begin_read(int first, int last, SparseRows& rows) const;

 private:
  enum class Kind { csr, csc, dense };
  void open_csr(hid_t file, const std::string& name);
  void read_csc(hid_t file, const std::string& name);

  std::string what_;  // for messages
  Kind kind_ = Kind::dense;
  std::int64_t n_rows_ = 0, n_cols_ = 0;
  Block mine_;
  ChunkExtent chunk_;
  // What HDF5 hands over is kept for the next rows.
  mutable std::optional<h5::RowReader> column_, value_;  // CSR
  mutable std::optional<h5::RowReader> dense_;
  std::vector<std::int64_t> row_start_;  // of mine(), CSR: offsets in the file
  SparseRows kept_;                      // of mine(), CSC
};

/// Checks offsets and indices of a compressed matrix and brings each row into order as read_matrix
/// says. `what` names the matrix in messages.
SparseRows ordered_rows(std::int64_t n_rows, std::int64_t n_cols,
                        std::vector<std::int64_t> row_start, std::vector<std::int32_t> column,
                        std::vector<float> value, const std::string& what);

}  // namespace stamarker::anndata
