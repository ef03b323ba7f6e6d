#pragma once
#include <cstdint>
#include <limits>

#include "kernels/cuda/runtime.hpp"
#include "kernels/sparse_view.hpp"

namespace stamarker {

/// Rows of a sparse matrix: row i holds the nonzeros start[i] .. end[i] - 1, columns ascending.
struct CsrRows {
  int n_rows;
  const std::int64_t* start;
  const std::int64_t* end;
  const std::int32_t* column;
  const float* value;
};

/// out (+)= factor A B.
struct Spmm {
  CsrRows a;
  ConstMatrix b;
  const std::int32_t* b_row = nullptr;  // row r of B stands at b_row[r] of b.data; null: at r
  int n_b_rows = 0;                     // nonzeros of A in columns from here on are left out
  const std::int32_t* n_b_rows_there = nullptr;  // [1] of these, how many there are; null: all
  float factor = 1;
  enum class Store { overwrite, add } store = Store::overwrite;
  Matrix out;
};

/// How the kernel cuts a product: B by chunks of rows and tiles of columns that fit into shared
/// memory, A by groups of rows.
struct SpmmTiling {
  int rows_per_chunk, n_chunks, n_tiles, n_groups;
};
SpmmTiling tiling_of(const Spmm& product, int n_processors, std::size_t most_shared_bytes);

/// Bytes of workspace that `enqueue_spmm` needs.
std::size_t workspace_bytes(const Spmm& product, const SpmmTiling& cut);
/// Enqueues the product. Each element of `out` is summed by one warp in the order of A's nonzeros.
void enqueue_spmm(Stream stream, const Spmm& product, const SpmmTiling& cut, void* workspace);

/// Nonzeros of `m` whose column c has new_column[c] >= 0, under that number; the rest is left out.
/// `m` has columns ascending and so must be new_column where it is >= 0. end [n_rows], column and
/// value [nnz]; a row keeps its place.
void renumber_columns(Stream stream, const SparseView& m, const std::int32_t* new_column,
                      std::int64_t* end, std::int32_t* column, float* value);

}  // namespace stamarker
