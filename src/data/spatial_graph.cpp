#include "data/spatial_graph.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <vector>

#include "base/error.hpp"

namespace stamarker {
namespace {

/// Turns "j chose i" into rows of i. Sources arrive in ascending order, so rows ascend.
SpatialGraph graph_of(const Choices& choices) {
  const auto n_spots = static_cast<std::int32_t>(choices.count.size());
  SpatialGraph graph;
  graph.row_start.assign(choices.count.size() + 1, 1);
  graph.row_start[0] = 0;
  for (const std::int32_t i : choices.spot) ++graph.row_start[i + 1];
  for (int i = 0; i < n_spots; ++i) graph.row_start[i + 1] += graph.row_start[i];
  graph.source.resize(graph.n_edges());
  graph.distance.resize(graph.n_edges());
  std::vector<std::int64_t> next(graph.row_start.begin(), graph.row_start.end() - 1);
  const auto add = [&](std::int32_t i, std::int32_t j, double distance) {
    graph.source[next[i]] = j;
    graph.distance[next[i]++] = static_cast<float>(distance);
  };
  std::size_t k = 0;
  for (std::int32_t j = 0; j < n_spots; ++j) {
    add(j, j, 0);
    for (const std::size_t end = k + choices.count[j]; k < end; ++k)
      add(choices.spot[k], j, choices.distance[k]);
  }
  return graph;
}

/// Distances to the k-th nearest spot, over all spots that have so many.
std::vector<double> kth_distances(const Choices& choices, std::size_t k) {
  std::vector<double> distances;
  std::size_t begin = 0;
  for (const std::int32_t n : choices.count) {
    if (static_cast<std::size_t>(n) >= k) distances.push_back(choices.distance[begin + k - 1]);
    begin += n;
  }
  return distances;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Between the ring of nearest spots of a lattice and those behind it; 0 where there is no ring.
/// `nearest`: 9 choices of each spot asked.
double radius_of_ring(const Choices& nearest) {
  std::array<std::optional<double>, 10> known;
  const auto d = [&](std::size_t k) {  // median distance to the k-th nearest
    if (!known[k]) known[k] = median(kth_distances(nearest, k));
    return *known[k];
  };
  for (const std::size_t k : {6, 5, 7, 4, 8})
    if (d(k) > 0 && d(k + 1) > 1.2 * d(k)) return (d(k) + d(k + 1)) / 2;
  return 0;
}

/// Within which a spot has `target` neighbours on average; 0 when all lie at one place.
double radius_of_average(const Choices& nearest, std::size_t target) {
  std::vector<double> distances;
  std::ranges::copy_if(nearest.distance, std::back_inserter(distances),
                       [](double distance) { return distance > 0; });
  const auto n_asked = static_cast<std::size_t>(
      std::ranges::count_if(nearest.count, [](std::int32_t n) { return n > 0; }));
  if (distances.empty()) return 0;
  const auto last = distances.begin() +
                    static_cast<std::ptrdiff_t>(std::min(n_asked * target, distances.size()) - 1);
  std::nth_element(distances.begin(), last, distances.end());
  return *last * (1 + 1e-9);  // the radius itself is outside
}

}  // namespace

SpatialGraph radius_graph(const NearestSpots& spots, double radius, int max_neighbors) {
  return graph_of(
      spots.choices({.radius = radius, .capacity = static_cast<std::size_t>(max_neighbors)}));
}

SpatialGraph nearest_graph(const NearestSpots& spots, int k) {
  return graph_of(spots.choices({.capacity = static_cast<std::size_t>(k)}));
}

double automatic_radius(const NearestSpots& spots) {
  constexpr std::size_t target = 6;
  const int stride = 1 + spots.n_spots() / 100'000;  // of a large section these say enough
  const auto of_nearest = [&](std::size_t n, auto radius_of) {
    const Choices nearest = spots.choices({.capacity = n, .stride = stride});
    return spots.ranks().of_first(radius_of(nearest));
  };
  if (const double radius = of_nearest(9, radius_of_ring); radius > 0) return radius;
  // Four times as many, so that 6 on average is reached where spots are uneven.
  return of_nearest(4 * target,
                    [](const Choices& nearest) { return radius_of_average(nearest, target); });
}

SparseRows neighbors_of(const SpatialGraph& graph, Block rows) {
  SparseRows neighbors;
  neighbors.n_rows = rows.size();
  neighbors.n_cols = graph.n_spots();
  const auto visit = [&](auto add) {  // add(row of the result, spot that was chosen, edge)
    for (std::int32_t i = 0; i < graph.n_spots(); ++i)
      for (std::int64_t e = graph.row_start[i]; e < graph.row_start[i + 1]; ++e)
        if (const std::int32_t j = graph.source[e]; j != i && rows.begin <= j && j < rows.end)
          add(j - rows.begin, i, e);
  };
  neighbors.row_start.assign(static_cast<std::size_t>(rows.size()) + 1, 0);
  visit([&](int row, std::int32_t, std::int64_t) { ++neighbors.row_start[row + 1]; });
  for (int row = 0; row < rows.size(); ++row)
    neighbors.row_start[row + 1] += neighbors.row_start[row];
  neighbors.column.resize(static_cast<std::size_t>(neighbors.n_entries()));
  neighbors.value.resize(neighbors.column.size());
  std::vector<std::int64_t> next(neighbors.row_start.begin(), neighbors.row_start.end() - 1);
  visit([&](int row, std::int32_t chosen, std::int64_t edge) {
    neighbors.column[next[row]] = chosen;
    neighbors.value[next[row]++] = graph.distance[edge];
  });
  return neighbors;
}

GraphSummary summary_of(const SpatialGraph& graph) {
  GraphSummary summary;
  const int n = graph.n_spots();
  if (n == 0) return summary;
  std::vector<int> n_chosen(static_cast<std::size_t>(n), -1);  // the self-loop is no choice
  for (const std::int32_t j : graph.source) ++n_chosen[j];
  const auto [fewest, most] = std::ranges::minmax(n_chosen);
  summary.min = fewest;
  summary.max = most;
  for (int i = 0; i < n; ++i)
    summary.n_isolated += graph.row_start[i + 1] - graph.row_start[i] == 1 ? 1 : 0;
  summary.mean = static_cast<double>(graph.n_edges() - n) / n;
  return summary;
}

void check_edges(const SpatialGraph& graph, double radius, const NearestSpots& spots) {
  if (spots.ranks().of_first(graph.n_edges() > graph.n_spots() ? 1 : 0) == 1) return;
  const double better = automatic_radius(spots);
  if (better == 0)
    throw InputError(
        "the spatial graph has no edges (all spots lie at one place, or each in a section of its "
        "own; check input.spatial_key and input.batch_key)");
  throw InputError(
      fmt::format("prepare.rad_cutoff = {} gives a graph without edges (no two spots are so close; "
                  "use {:.6g}, which is what auto chooses)",
                  radius, better));
}

}  // namespace stamarker
