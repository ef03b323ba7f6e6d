#pragma once
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/cpu/rows.hpp"
#include "kernels/sparse_view.hpp"

namespace stamarker {

/// Whether L2 has 2 MB or more, as Intel's server cores since 2023 (AMD's: 1 MB). Then blocks of
/// 512 columns are faster than those of 128, and software prefetch is slower (docs/performance.md).
bool has_large_l2();

/// The left factor A of an SpMM A B as column-blocked CSR: the columns of A are cut into blocks,
/// and each block is a CSR matrix of its own. A tile of B for one block (rows::tile_width()
/// columns) then stays in L2 while all rows of the block pass over it.
class ColumnBlockedCsr {
 public:
  /// A = m.
  void assign(const SparseView& m);
  /// A = m^T.
  void assign_transposed(const SparseView& m);
  /// A subset of the columns of `all`, which holds m^T: column p is its column kept[p], ascending.
  void assign_transposed_subset(const ColumnBlockedCsr& all, const SparseView& m,
                                std::span<const std::int32_t> kept);

  int n_rows() const { return n_rows_; }
  int n_columns() const { return first_column_.back(); }
  int n_blocks() const { return static_cast<int>(first_column_.size()) - 1; }
  /// A block begins at this column and has at most columns_per_block() of them.
  int first_column(int block) const { return first_column_[block]; }
  int columns_per_block() const { return 1 << log_block_; }
  /// Columns are numbered within the block.
  rows::BlockRows block(int b) const {
    return {start_.data() + start_of(b), index_.data(), value_.data(),
            /*prefetch=*/log_block_ > 7 && !has_large_l2()};
  }

 private:
  void set_shape(int n_rows, int n_columns, std::int64_t nnz);
  void sum_counts();  // from the counts of rows, each one position late, to their starts
  std::ptrdiff_t start_of(int block) const { return std::ptrdiff_t{block} * (n_rows_ + 1); }

  int n_rows_ = 0, log_block_ = 0;
  std::vector<std::int32_t> first_column_{0};  // [n_blocks + 1]
  std::vector<std::int64_t> start_;            // [n_blocks, n_rows + 1]
  std::vector<std::uint16_t> index_;           // [nnz + prefetch_distance], column in its block
  std::vector<float> value_;                   // [nnz]
  std::vector<std::uint16_t> position_;        // of assign_transposed_subset()
};

/// The right factor B: row p is row p of `rows`, or row_of_source[p], less `times` row p of `less`
/// where that has one. Rows beyond are zero.
struct DenseOperand {
  ConstMatrix rows;
  std::span<const std::int32_t> row_of_source = {};
  float times = 0;
  ConstMatrix less = {};
};

/// X and X^T as column-blocked CSR.
class CpuExpression : public Expression {
 public:
  CpuExpression(Backend& on, const HostCsr& x)
      : Expression(x.n_rows, x.n_cols, static_cast<std::int64_t>(x.value.size())), x_(on, x) {}

  SparseView csr() const { return x_.view(); }
  const ColumnBlockedCsr& blocks() const;             // of X, made when first asked for
  const ColumnBlockedCsr& transposed_blocks() const;  // of X^T, likewise

 private:
  SparseBuffer x_;
  mutable std::once_flag blocks_made_, transposed_made_;
  mutable ColumnBlockedCsr blocks_, transposed_;
};

}  // namespace stamarker
