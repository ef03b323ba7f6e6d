#pragma once
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {

/// The left factor A of a sparse product A B, laid out for it: the columns of A (rows of B, here
/// sources) are cut into blocks, and a block holds one list of entries for each row of A. A tile of
/// B for one block (128 columns) then lies in the processor's second-level cache while all lists of
/// the block pass over it.
class SparseBlocks {
 public:
  /// A = m.
  void assign_rows(const SparseView& m);
  /// A = (the given rows of m)^T: lists are the columns of m, source p is row rows[p].
  void assign_columns(const SparseView& m, std::span<const std::int32_t> rows);

  int n_lists() const { return n_lists_; }
  int n_sources() const { return n_sources_; }
  int sources_per_block() const { return 1 << log_block_; }
  int n_blocks() const { return (n_sources_ + sources_per_block() - 1) >> log_block_; }
  rows::BlockLists block(int b) const {
    return {start_.data() + std::ptrdiff_t{b} * n_lists_, index_.data(), value_.data(),
            /*fetch_ahead=*/log_block_ > 7};
  }

 private:
  void set_shape(int n_lists, int n_sources, std::int64_t n_entries);
  void make_room();  // from the counts of lists, each one place late, to their starts

  int n_lists_ = 0, n_sources_ = 0, log_block_ = 0;
  std::vector<std::int64_t> start_;   // [n_blocks * n_lists + 1]
  std::vector<std::uint16_t> index_;  // [n_entries + entries_ahead], source within its block
  std::vector<float> value_;          // [n_entries]
};

/// Both products with the expression of a tile: X W and X^T D.
class CpuLayout : public SparseLayout {
 public:
  explicit CpuLayout(const SparseView& x) : x_(x) {}

  const SparseBlocks& rows() const;     // made when first asked for
  const SparseBlocks& columns() const;  // likewise

 private:
  SparseView x_;
  mutable std::once_flag rows_made_, columns_made_;
  mutable SparseBlocks rows_, columns_;
};

}  // namespace stamarker
