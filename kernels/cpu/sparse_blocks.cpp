#include "kernels/cpu/sparse_blocks.hpp"

#include <numeric>

#include "kernels/cpu/blocks.hpp"

namespace stamarker {

// Short lists cost more than they compute, and wide blocks leave the nearest caches: 128 sources
// (64 KB a tile) are best at 10 % non-zero, 1024 (512 KB) at 3 %.
void SparseBlocks::set_shape(int n_lists, int n_sources, std::int64_t n_entries) {
  constexpr double dense_enough = 0.06;
  n_lists_ = n_lists;
  n_sources_ = n_sources;
  const double places = static_cast<double>(n_lists) * n_sources;
  log_block_ = static_cast<double>(n_entries) >= dense_enough * places ? 7 : 10;
  start_.assign(static_cast<std::size_t>(n_blocks()) * n_lists + 1, 0);
}

void SparseBlocks::make_room() {
  std::partial_sum(start_.begin(), start_.end(), start_.begin());
  index_.resize(static_cast<std::size_t>(start_.back()) + rows::entries_ahead);
  value_.resize(static_cast<std::size_t>(start_.back()));
}

void SparseBlocks::assign_rows(const SparseView& m) {
  const std::int64_t* row_start = m.row_start.data;
  set_shape(m.n_rows, m.n_cols, row_start[m.n_rows] - row_start[0]);
  const int mask = sources_per_block() - 1;
  const auto list_of = [&](std::int64_t e, int i) {
    return static_cast<std::size_t>(m.column.data[e] >> log_block_) * n_lists_ + i;
  };
  for_row_blocks(m.n_rows, [&](int begin, int end) {
    for (int i = begin; i < end; ++i)
      for (std::int64_t e = row_start[i]; e < row_start[i + 1]; ++e) ++start_[list_of(e, i) + 1];
  });
  make_room();
  for_row_blocks(m.n_rows, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      std::size_t list = 0;
      std::int64_t to = 0;
      for (std::int64_t e = row_start[i]; e < row_start[i + 1]; ++e, ++to) {
        if (e == row_start[i] || list != list_of(e, i)) {  // columns ascend: the next list
          list = list_of(e, i);
          to = start_[list];
        }
        index_[to] = static_cast<std::uint16_t>(m.column.data[e] & mask);
        value_[to] = m.value.data[e];
      }
    }
  });
}

void SparseBlocks::assign_columns(const SparseView& m, std::span<const std::int32_t> rows) {
  const std::int64_t* row_start = m.row_start.data;
  std::int64_t n_entries = 0;
  for (const std::int32_t r : rows) n_entries += row_start[r + 1] - row_start[r];
  set_shape(m.n_cols, static_cast<int>(rows.size()), n_entries);
  for_row_blocks(
      n_sources_,
      [&](int begin, int end) {
        std::int64_t* count = start_.data() + std::ptrdiff_t{begin >> log_block_} * n_lists_ + 1;
        for (int p = begin; p < end; ++p)
          for (std::int64_t e = row_start[rows[p]]; e < row_start[rows[p] + 1]; ++e)
            ++count[m.column.data[e]];
      },
      sources_per_block());
  make_room();
  for_row_blocks(
      n_sources_,
      [&](int begin, int end) {
        const auto first = start_.begin() + std::ptrdiff_t{begin >> log_block_} * n_lists_;
        std::vector<std::int64_t> next(first, first + n_lists_);
        for (int p = begin; p < end; ++p) {
          for (std::int64_t e = row_start[rows[p]]; e < row_start[rows[p] + 1]; ++e) {
            const std::int64_t to = next[m.column.data[e]]++;
            index_[to] = static_cast<std::uint16_t>(p - begin);
            value_[to] = m.value.data[e];
          }
        }
      },
      sources_per_block());
}

const SparseBlocks& CpuLayout::rows() const {
  std::call_once(rows_made_, [&] { rows_.assign_rows(x_); });
  return rows_;
}

const SparseBlocks& CpuLayout::columns() const {
  std::call_once(columns_made_, [&] {
    std::vector<std::int32_t> all(static_cast<std::size_t>(x_.n_rows));
    std::iota(all.begin(), all.end(), 0);
    columns_.assign_columns(x_, all);
  });
  return columns_;
}

}  // namespace stamarker
