#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace stamarker {

/// Distances of all pairs, each once: row i holds columns 0 .. i - 1.
template <class T>
class PairMatrix {
 public:
  explicit PairMatrix(int n) : n_(n), values_(row_start(n)) {}

  int size() const { return n_; }
  T& operator()(int i, int j) { return i > j ? row(i)[j] : row(j)[i]; }
  T* row(int i) { return values_.data() + row_start(i); }

 private:
  static std::size_t row_start(int i) {
    return static_cast<std::size_t>(i) * static_cast<std::size_t>(std::max(i - 1, 0)) / 2;
  }
  int n_;
  std::vector<T> values_;
};

/// Two clusters joined at a height.
struct Merge {
  int a = 0, b = 0;
  double height = 0;
};

/// Hierarchical clustering by nearest-neighbour chains (Murtagh, Comput. J. 1983): O(n^2) for
/// every linkage in which joining two clusters brings neither nearer to a third.
///
/// distance: of all pairs; overwritten. weight: of the points; overwritten by those of clusters.
/// joined(d_ac, d_bc, d_ab, weight_a, weight_b, weight_c): distance of c to a and b joined
/// (Lance and Williams 1967). Of equally near neighbours the one before in the chain is taken,
/// then the lowest. Merges come in the order found; the joined cluster keeps the number b, a < b.
template <class T, class Joined>
std::vector<Merge> nearest_neighbor_chain(PairMatrix<T>& distance, std::vector<double>& weight,
                                          Joined joined) {
  const int n = distance.size();
  std::vector<Merge> merges;
  std::vector<int> active(static_cast<std::size_t>(n)), chain;
  std::iota(active.begin(), active.end(), 0);
  while (active.size() > 1) {
    if (chain.empty()) chain.push_back(active.front());
    const int x = chain.back();
    int nearest = chain.size() > 1 ? chain[chain.size() - 2] : -1;
    T shortest = nearest < 0 ? std::numeric_limits<T>::max() : distance(x, nearest);
    const T* row = distance.row(x);
    std::size_t p = 0;
    for (; active[p] < x; ++p)
      if (row[active[p]] < shortest) shortest = row[nearest = active[p]];
    for (++p; p < active.size(); ++p)
      if (const T d = distance.row(active[p])[x]; d < shortest) {
        shortest = d;
        nearest = active[p];
      }
    if (chain.size() < 2 || nearest != chain[chain.size() - 2]) {
      chain.push_back(nearest);
      continue;
    }
    chain.resize(chain.size() - 2);
    const auto [a, b] = std::minmax(x, nearest);
    merges.push_back({a, b, static_cast<double>(shortest)});
    active.erase(std::ranges::lower_bound(active, a));
    for (const int c : active)
      if (c != b)
        distance(b, c) =
            joined(distance(a, c), distance(b, c), shortest, weight[a], weight[b], weight[c]);
    weight[b] += weight[a];
  }
  return merges;
}

/// The merges by ascending height (equal: in the order found) with clusters named as in
/// scipy.cluster.hierarchy: 0 .. n - 1 the points, n + k what merge k joined; a < b.
std::vector<Merge> in_height_order(std::vector<Merge> merges);

/// Cluster of each point, numbered by first point, after all but the last n_clusters - 1 merges.
/// merges: from in_height_order.
std::vector<std::int32_t> cut(std::span<const Merge> merges, int n_clusters);

}  // namespace stamarker
