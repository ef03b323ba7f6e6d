#include "data/shared_counts.hpp"

#include <algorithm>

#include "data/sparse_rows.hpp"

namespace stamarker {

void CountsInMemory::visit(const Visitor& work) {
  for (int first = 0; first < n_spots(); first += block_rows_)
    work(first, rows_of(data_.counts, first, std::min(n_spots(), first + block_rows_)));
}

}  // namespace stamarker
