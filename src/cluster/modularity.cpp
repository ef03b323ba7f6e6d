#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "cluster/louvain.hpp"
#include "cluster/numbering.hpp"

namespace stamarker {

double modularity_quality(const NeighborGraph& graph, std::span<const std::int32_t> labels,
                          double resolution) {
  expects(labels.size() == static_cast<std::size_t>(graph.n_points()), "one label a point");
  const Numbered clusters = numbered(labels);
  std::vector<double> degree(clusters.n_values, 0);
  double inside = 0;
  for (int i = 0; i < graph.n_points(); ++i) {
    degree[clusters.number[i]] += static_cast<double>(graph.row_start[i + 1] - graph.row_start[i]);
    for (std::int64_t e = graph.row_start[i]; e < graph.row_start[i + 1]; ++e)
      inside += labels[i] == labels[graph.neighbor[e]] ? 1 : 0;
  }
  double by_chance = 0;
  for (const double d : degree) by_chance += d * d;
  const auto n_edges = static_cast<double>(graph.neighbor.size());
  return n_edges > 0 ? inside - resolution * by_chance / n_edges : 0;
}

void move_points(const NeighborGraph& graph, double resolution, RandomSequence& random,
                 std::vector<std::int32_t>& labels) {
  const int n = graph.n_points();
  const auto n_edges = static_cast<double>(graph.neighbor.size());
  const auto degree = [&](int i) {
    return static_cast<double>(graph.row_start[i + 1] - graph.row_start[i]);
  };
  std::vector<double> total(static_cast<std::size_t>(std::ranges::max(labels)) + 1, 0);
  std::vector<double> to_cluster(total.size(), 0);  // edges of one point
  std::vector<int> order(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) total[labels[i]] += degree(i);
  std::iota(order.begin(), order.end(), 0);
  for (int i = n - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);

  bool has_moved = true;
  while (has_moved) {
    has_moved = false;
    for (const int i : order) {
      const auto row =
          std::span(graph.neighbor)
              .subspan(graph.row_start[i], graph.row_start[i + 1] - graph.row_start[i]);
      const double expected = resolution * degree(i) / n_edges;
      total[labels[i]] -= degree(i);
      for (const std::int32_t j : row) ++to_cluster[labels[j]];
      const auto gain = [&](int c) { return to_cluster[c] - expected * total[c]; };
      std::int32_t best = labels[i];
      for (const std::int32_t j : row)
        if (gain(labels[j]) > gain(best) + 1e-9) best = labels[j];
      for (const std::int32_t j : row) to_cluster[labels[j]] = 0;
      has_moved = has_moved || best != labels[i];
      total[labels[i] = best] += degree(i);
    }
  }
}

}  // namespace stamarker
