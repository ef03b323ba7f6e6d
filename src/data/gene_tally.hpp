#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "data/dataset.hpp"
#include "data/shared_counts.hpp"

namespace stamarker {

/// How many spots have each count, for every gene. All sums over spots follow from it, also of
/// counts cut at a limit that is known only afterwards, so that one pass over the table is enough.
/// The numbers are integers: the same for any blocks, threads and ranks.
class GeneTally {
 public:
  explicit GeneTally(int n_genes);

  /// Adds the rows r of `counts` for which is_kept[r] is not 0; all of them if it is empty.
  /// Zeros are not counted; values are non-negative integers. Threads of one OpenMP team may call
  /// this at the same time.
  void add(const SparseRows& counts, std::span<const char> is_kept = {});
  /// Of each gene, the spots added here in which it is seen. [n_genes]
  std::vector<std::int64_t> n_seen() const;
  /// Adds the tallies of all ranks, on all of them. Collective.
  void join_ranks(SharedCounts& ranks);

  /// Calls visit(count, n_spots) for each count of a gene above 0, ascending.
  template <class Visit>
  void each(int gene, Visit visit) const {
    const std::int64_t* n = few_.data() + static_cast<std::size_t>(gene) * n_small;
    for (int c = 1; c < n_small; ++c)
      if (n[c] > 0) visit(static_cast<double>(c), n[c]);
    for (auto k = many_.lower_bound(key_of(gene, 0)); k != many_.end() && gene_of(k->first) == gene;
         ++k)
      visit(count_of(k->first), k->second);
  }

 private:
  static constexpr int n_small = 16;  // counts below stand in a table, larger ones in a map
  /// Gene and count as one number that orders like (gene, count); the count is a float's bits.
  using Key = std::int64_t;
  static Key key_of(int gene, float count);
  static int gene_of(Key key) { return static_cast<int>(key >> 32); }
  static double count_of(Key key);

  /// What one thread has added.
  struct Part {
    std::vector<std::int32_t> few;  // [n_genes, n_small]
    std::unordered_map<Key, std::int64_t> many;
  };
  void add_row(const SparseRows& counts, int row, Part& part) const;
  void merge();

  int n_genes_;
  std::vector<Part> parts_;        // [threads]
  std::vector<std::int64_t> few_;  // [n_genes, n_small]
  std::map<Key, std::int64_t> many_;
};

}  // namespace stamarker
