#pragma once
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {

/// A second-level cache of 2 MB, as Intel's server cores have since 2023, AMD's 1 MB: with it the
/// lists of 512 sources are faster than those of 128, and asking for rows beforehand is slower
/// (docs/performance.md).
bool has_large_cache();

/// The left factor A of a sparse product A B, laid out for it: the columns of A (rows of B, here
/// sources) are cut into blocks, and a block holds one list of entries for each row of A. A tile of
/// B for one block (rows::tile_width() columns) then lies in the processor's second-level cache
/// while all lists of the block pass over it.
class SparseBlocks {
 public:
  /// A = m.
  void assign_rows(const SparseView& m);
  /// A = m^T: lists are the columns of m, sources its rows.
  void assign_columns(const SparseView& m);
  /// Of `all`, which holds m^T, only the sources kept[0] < kept[1] < ...: source p is row kept[p].
  void assign_kept_columns(const SparseBlocks& all, const SparseView& m,
                           std::span<const std::int32_t> kept);

  int n_lists() const { return n_lists_; }
  int n_sources() const { return first_source_.back(); }
  int n_blocks() const { return static_cast<int>(first_source_.size()) - 1; }
  /// The sources of a block: at most sources_per_block() of them.
  int first_source(int block) const { return first_source_[block]; }
  int sources_per_block() const { return 1 << log_block_; }
  /// Its lists name sources by their position in the block.
  rows::BlockLists block(int b) const {
    return {start_.data() + start_of(b), index_.data(), value_.data(),
            /*fetch_ahead=*/log_block_ > 7 && !has_large_cache()};
  }

 private:
  void set_shape(int n_lists, int n_sources, std::int64_t n_entries);
  void make_room();  // from the counts of lists, each one place late, to their starts
  std::ptrdiff_t start_of(int block) const { return std::ptrdiff_t{block} * (n_lists_ + 1); }

  int n_lists_ = 0, log_block_ = 0;
  std::vector<std::int32_t> first_source_{0};  // [n_blocks + 1]
  std::vector<std::int64_t> start_;            // [n_blocks, n_lists + 1]
  std::vector<std::uint16_t> index_;           // [n_entries + entries_ahead], source in its block
  std::vector<float> value_;                   // [n_entries]
  std::vector<std::uint16_t> place_;           // of assign_kept_columns()
};

/// The right factor B: source p is row p of `rows`, or row_of_source[p], less `times` row p of
/// `less` where that has one. Sources beyond are rows of zeros.
struct Sources {
  ConstMatrix rows;
  std::span<const std::int32_t> row_of_source = {};
  float times = 0;
  ConstMatrix less = {};
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
