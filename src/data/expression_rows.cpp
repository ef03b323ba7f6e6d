#include "data/expression_rows.hpp"

namespace stamarker {

SparseRows ExpressionInMemory::rows(std::span<const std::int32_t> spots) const {
  const SparseRows& all = expression_;
  SparseRows part;
  part.n_rows = static_cast<int>(spots.size());
  part.n_cols = all.n_cols;
  for (const std::int32_t i : spots)
    part.row_start.push_back(part.n_entries() + all.row_start[i + 1] - all.row_start[i]);
  part.column.reserve(static_cast<std::size_t>(part.n_entries()));
  part.value.reserve(static_cast<std::size_t>(part.n_entries()));
  for (const std::int32_t i : spots) {
    const std::int64_t begin = all.row_start[i], end = all.row_start[i + 1];
    part.column.insert(part.column.end(), all.column.begin() + begin, all.column.begin() + end);
    part.value.insert(part.value.end(), all.value.begin() + begin, all.value.begin() + end);
  }
  return part;
}

}  // namespace stamarker
