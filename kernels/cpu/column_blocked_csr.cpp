#include "kernels/cpu/column_blocked_csr.hpp"

#include <unistd.h>

#include <algorithm>
#include <numeric>

#include "kernels/cpu/blocks.hpp"

namespace stamarker {

bool has_large_l2() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  static const bool is_large = sysconf(_SC_LEVEL2_CACHE_SIZE) >= (1 << 21);
  return is_large;
#else
  return false;
#endif
}

// Short rows cost more than they compute, and wide blocks leave L1 and L2: at 10 % nonzeros 128
// columns (64 KB a tile) are best, or 512 where L2 is large, at 3 % 1024.
void ColumnBlockedCsr::set_shape(int n_rows, int n_columns, std::int64_t nnz) {
  constexpr double dense_enough = 0.06;
  n_rows_ = n_rows;
  const double places = static_cast<double>(n_rows) * n_columns;
  const int log_block_if_dense = has_large_l2() ? 9 : 7;
  log_block_ = static_cast<double>(nnz) >= dense_enough * places ? log_block_if_dense : 10;
  first_column_.clear();
  for (int first = 0; first < n_columns; first += columns_per_block())
    first_column_.push_back(first);
  first_column_.push_back(n_columns);
  start_.assign(static_cast<std::size_t>(start_of(n_blocks())), 0);
}

void ColumnBlockedCsr::sum_counts() {
  std::partial_sum(start_.begin(), start_.end(), start_.begin());
  const std::int64_t nnz = start_.empty() ? 0 : start_.back();
  index_.resize(static_cast<std::size_t>(nnz) + rows::prefetch_distance);
  value_.resize(static_cast<std::size_t>(nnz));
}

void ColumnBlockedCsr::assign(const SparseView& m) {
  const std::int64_t* row_start = m.row_start.data;
  set_shape(m.n_rows, m.n_cols, row_start[m.n_rows] - row_start[0]);
  const int mask = columns_per_block() - 1;
  const auto row_in_block = [&](std::int64_t e, int i) {
    return static_cast<std::size_t>(start_of(m.column.data[e] >> log_block_) + i);
  };
  for_row_blocks(m.n_rows, [&](int begin, int end) {
    for (int i = begin; i < end; ++i)
      for (std::int64_t e = row_start[i]; e < row_start[i + 1]; ++e)
        ++start_[row_in_block(e, i) + 1];
  });
  sum_counts();
  for_row_blocks(m.n_rows, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      std::size_t row = 0;
      std::int64_t to = 0;
      for (std::int64_t e = row_start[i]; e < row_start[i + 1]; ++e, ++to) {
        if (e == row_start[i] || row != row_in_block(e, i)) {  // columns ascend: the next block
          row = row_in_block(e, i);
          to = start_[row];
        }
        index_[to] = static_cast<std::uint16_t>(m.column.data[e] & mask);
        value_[to] = m.value.data[e];
      }
    }
  });
}

void ColumnBlockedCsr::assign_transposed(const SparseView& m) {
  const std::int64_t* row_start = m.row_start.data;
  set_shape(m.n_cols, m.n_rows, row_start[m.n_rows] - row_start[0]);
  for_row_blocks(
      m.n_rows,
      [&](int begin, int end) {
        std::int64_t* count = start_.data() + start_of(begin >> log_block_) + 1;
        for (std::int64_t e = row_start[begin]; e < row_start[end]; ++e) ++count[m.column.data[e]];
      },
      columns_per_block());
  sum_counts();
  for_row_blocks(
      m.n_rows,
      [&](int begin, int end) {
        const auto first = start_.begin() + start_of(begin >> log_block_);
        std::vector<std::int64_t> next(first, first + n_rows_);
        for (int i = begin; i < end; ++i) {
          for (std::int64_t e = row_start[i]; e < row_start[i + 1]; ++e) {
            const std::int64_t to = next[m.column.data[e]]++;
            index_[to] = static_cast<std::uint16_t>(i - begin);
            value_[to] = m.value.data[e];
          }
        }
      },
      columns_per_block());
}

// Blocks of `all` that keep few columns become one. Their rows are read in order, and a nonzero
// that is not kept is overwritten by the next: twice as fast as transposing the rows.
void ColumnBlockedCsr::assign_transposed_subset(const ColumnBlockedCsr& all, const SparseView& m,
                                                std::span<const std::int32_t> kept) {
  constexpr std::uint16_t none = 0xffff;
  n_rows_ = all.n_rows_;
  log_block_ = all.log_block_;
  first_column_.assign(1, 0);
  position_.assign(static_cast<std::size_t>(all.n_columns()), none);
  std::vector<int> first_of_all{0};            // block of `all` that each block begins with
  std::vector<std::int64_t> first_nonzero{0};  // one more each, for what is overwritten
  std::int64_t nnz = 0;
  auto next = kept.begin();
  for (int b = 0; b < all.n_blocks(); ++b) {
    const auto end = std::lower_bound(next, kept.end(), all.first_column(b + 1));
    if (end - kept.begin() - first_column_.back() > columns_per_block()) {
      first_column_.push_back(static_cast<std::int32_t>(next - kept.begin()));
      first_of_all.push_back(b);
      first_nonzero.push_back(++nnz);
    }
    for (; next != end; ++next) {
      position_[*next] = static_cast<std::uint16_t>(next - kept.begin() - first_column_.back());
      nnz += m.row_start.data[*next + 1] - m.row_start.data[*next];
    }
  }
  first_column_.push_back(static_cast<std::int32_t>(kept.size()));
  first_of_all.push_back(all.n_blocks());
  start_.resize(static_cast<std::size_t>(start_of(n_blocks())));
  index_.resize(static_cast<std::size_t>(nnz) + rows::prefetch_distance);
  value_.resize(static_cast<std::size_t>(nnz) + 1);
#pragma omp parallel for schedule(dynamic)
  for (int block = 0; block < n_blocks(); ++block) {
    std::int64_t* start = start_.data() + start_of(block);
    std::int64_t to = first_nonzero[block];
    for (int row = 0; row < n_rows_; ++row) {
      start[row] = to;
      for (int b = first_of_all[block]; b < first_of_all[block + 1]; ++b) {
        const std::uint16_t* place = position_.data() + all.first_column(b);
        const std::int64_t* from = all.start_.data() + all.start_of(b) + row;
        for (std::int64_t e = from[0]; e < from[1]; ++e) {
          const std::uint16_t p = place[all.index_[e]];
          index_[to] = p;
          value_[to] = all.value_[e];
          to += p == none ? 0 : 1;
        }
      }
    }
    start[n_rows_] = to;
  }
}

const ColumnBlockedCsr& CpuExpression::blocks() const {
  std::call_once(blocks_made_, [&] { blocks_.assign(csr()); });
  return blocks_;
}

const ColumnBlockedCsr& CpuExpression::transposed_blocks() const {
  std::call_once(transposed_made_, [&] { transposed_.assign_transposed(csr()); });
  return transposed_;
}

}  // namespace stamarker
