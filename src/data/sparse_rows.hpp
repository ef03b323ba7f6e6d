#pragma once
#include "data/dataset.hpp"

/// Parts of matrices by rows.
namespace stamarker {

/// A matrix without entries.
SparseRows empty_rows(int n_rows, int n_cols);

/// Rows first .. last - 1.
SparseRows rows_of(const SparseRows& m, int first, int last);

/// Adds the rows of `more` below those of `m`, of which there may be none; columns are the same.
void append_rows(SparseRows& m, const SparseRows& more);

}  // namespace stamarker
