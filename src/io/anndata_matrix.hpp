#pragma once
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "io/h5.hpp"

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

/// A matrix of numbers as CSR: a group marked csr_matrix or csc_matrix, one of h5sparse (before
/// anndata 0.7), or a dense dataset, which is read in blocks of rows. Columns ascend, entries of
/// the same place are summed, zeros are dropped.
/// Throws InputError: missing, no numbers, wrong shape, indices out of range, offsets that fall.
SparseRows read_matrix(hid_t file, const std::string& name);

/// Checks offsets and indices of a compressed matrix and brings each row into order as read_matrix
/// says. `what` names the matrix in messages.
SparseRows ordered_rows(std::int64_t n_rows, std::int64_t n_cols,
                        std::vector<std::int64_t> row_start, std::vector<std::int32_t> column,
                        std::vector<float> value, const std::string& what);

}  // namespace stamarker::anndata
