#include "data/gene_tally.hpp"

#include <omp.h>

#include <algorithm>
#include <bit>

#include "base/error.hpp"

namespace stamarker {

GeneTally::GeneTally(int n_genes)
    : n_genes_(n_genes),
      parts_(static_cast<std::size_t>(omp_get_max_threads())),
      few_(static_cast<std::size_t>(n_genes) * n_small) {}

GeneTally::Key GeneTally::key_of(int gene, float count) {
  return (Key{gene} << 32) | std::bit_cast<std::int32_t>(count);  // not negative: no sign bit
}

double GeneTally::count_of(Key key) {
  return std::bit_cast<float>(static_cast<std::int32_t>(key & 0x7fffffff));
}

void GeneTally::add_row(const SparseRows& counts, int row, Part& part) const {
  for (std::int64_t k = counts.row_start[row]; k < counts.row_start[row + 1]; ++k) {
    const std::int32_t gene = counts.column[k];
    const float count = counts.value[k];
    if (count < n_small)
      ++part.few[static_cast<std::size_t>(gene) * n_small + static_cast<int>(count)];
    else
      ++part.many[key_of(gene, count)];
  }
}

void GeneTally::add(const SparseRows& counts, std::span<const char> is_kept) {
  expects(counts.n_cols == n_genes_, "as many columns as genes");
  Part& mine = parts_.at(static_cast<std::size_t>(omp_get_thread_num()));
  mine.few.resize(few_.size());
  for (int r = 0; r < counts.n_rows; ++r)
    if (is_kept.empty() || is_kept[r] != 0) add_row(counts, r, mine);
}

void GeneTally::merge() {
  for (const Part& part : parts_) {
    for (std::size_t k = 0; k < part.few.size(); ++k) few_[k] += part.few[k];
    for (const auto& [key, n] : part.many) many_[key] += n;
  }
  parts_.clear();
}

std::vector<std::int64_t> GeneTally::n_seen() const {
  std::vector<std::int64_t> n(static_cast<std::size_t>(n_genes_));
  const auto add_few = [&](const auto& few) {
    for (std::size_t k = 0; k < few.size(); ++k)
      if (k % n_small != 0) n[k / n_small] += few[k];
  };
  const auto add_many = [&](const auto& many) {
    for (const auto& [key, n_spots] : many) n[gene_of(key)] += n_spots;
  };
  add_few(few_);
  add_many(many_);
  for (const Part& part : parts_) {
    add_few(part.few);
    add_many(part.many);
  }
  return n;
}

void GeneTally::join_ranks(SharedCounts& ranks) {
  merge();
  ranks.sum(few_);
  std::vector<std::int64_t> pairs;  // key, number
  for (const auto& [key, n] : many_) pairs.insert(pairs.end(), {key, n});
  pairs = ranks.gather(pairs);
  many_.clear();
  for (std::size_t k = 0; k < pairs.size(); k += 2) many_[pairs[k]] += pairs[k + 1];
}

}  // namespace stamarker
