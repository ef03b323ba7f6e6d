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

/// Where each of n_cols columns stands in the list `cols`, -1 if nowhere. The list is of distinct
/// columns.
std::vector<std::int32_t> places_of(const std::vector<std::int32_t>& cols, int n_cols);

/// The given rows of `m`. Column c becomes new_column[c], of -1 it is dropped; entries of a row
/// keep their order.
SparseRows selected(const SparseRows& m, const std::vector<std::int32_t>& rows,
                    const std::vector<std::int32_t>& new_column, int n_new_columns);

}  // namespace stamarker
