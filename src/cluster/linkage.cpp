#include "cluster/linkage.hpp"

#include "base/error.hpp"

namespace stamarker {
namespace {

/// Disjoint sets with path halving; the root of a joined set is chosen by the caller.
struct Sets {
  std::vector<int> parent;

  explicit Sets(int n) : parent(static_cast<std::size_t>(n)) {
    std::iota(parent.begin(), parent.end(), 0);
  }
  int root(int i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  }
};

}  // namespace

std::vector<Merge> in_height_order(std::vector<Merge> merges) {
  const int n = static_cast<int>(merges.size()) + 1;
  std::ranges::stable_sort(merges, {}, &Merge::height);
  Sets sets(2 * n - 1);
  for (int k = 0; k + 1 < n; ++k) {
    Merge& merge = merges[k];
    const int a = sets.root(merge.a), b = sets.root(merge.b);
    sets.parent[a] = sets.parent[b] = n + k;
    merge.a = std::min(a, b);
    merge.b = std::max(a, b);
  }
  return merges;
}

std::vector<std::int32_t> cut(std::span<const Merge> merges, int n_clusters) {
  const int n = static_cast<int>(merges.size()) + 1;
  expects(1 <= n_clusters && n_clusters <= n, "1 <= n_clusters <= n_points");
  Sets sets(2 * n - 1);
  for (int k = 0; k < n - n_clusters; ++k)
    sets.parent[merges[k].a] = sets.parent[merges[k].b] = n + k;
  std::vector<std::int32_t> number(sets.parent.size(), -1), cluster(static_cast<std::size_t>(n));
  std::int32_t next = 0;
  for (int i = 0; i < n; ++i) {
    std::int32_t& of_root = number[sets.root(i)];
    if (of_root < 0) of_root = next++;
    cluster[i] = of_root;
  }
  return cluster;
}

}  // namespace stamarker
