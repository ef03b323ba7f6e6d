#include "data/spatial_graph.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <optional>
#include <vector>

#include "base/error.hpp"

namespace stamarker {
namespace {

constexpr std::size_t target_neighbors = 6;

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

/// How the spots of each section choose; all sections alike.
std::vector<Search> alike(const NearestSpots& spots, Search search) {
  return std::vector<Search>(static_cast<std::size_t>(spots.n_sections()), search);
}

/// Choices of the spots of each section by themselves, [n_sections]; of no spot but on the first
/// rank.
std::vector<Choices> by_section(const Choices& all, const NearestSpots& spots) {
  std::vector<Choices> parts(static_cast<std::size_t>(spots.n_sections()));
  auto next = all.distance.begin();
  for (std::size_t i = 0; i < all.count.size(); ++i) {
    Choices& part = parts[spots.section()[i]];
    part.count.push_back(all.count[i]);
    part.distance.insert(part.distance.end(), next, next + all.count[i]);
    next += all.count[i];
  }
  return parts;
}

/// Every how many spots of each section one is looked at.
std::vector<int> strides_of(const NearestSpots& spots) {
  std::vector<int> n_spots(static_cast<std::size_t>(spots.n_sections()), 0);
  for (const std::int32_t s : spots.section()) ++n_spots[s];
  const auto n_sections = static_cast<int>(std::ranges::count_if(n_spots, [](int n) { return n; }));
  const int most = std::max(1000, 100'000 / std::max(1, n_sections));
  std::vector<int> strides;
  strides.reserve(n_spots.size());
  for (const int n : n_spots) strides.push_back(1 + n / most);
  return strides;
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

/// Behind the near neighbors of a lattice; 0 where there is no gap behind them. `nearest`: 9
/// choices of each spot asked.
double radius_of_lattice(const Choices& nearest) {
  std::array<std::optional<double>, 10> known;
  const auto d = [&](std::size_t k) {  // median distance to the k-th nearest
    if (!known[k]) known[k] = median(kth_distances(nearest, k));
    return *known[k];
  };
  for (const std::size_t k : {6, 5, 7, 8})
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
  return graph_of(spots.choices(
      alike(spots, {.radius = radius, .capacity = static_cast<std::size_t>(max_neighbors)})));
}

SpatialGraph nearest_graph(const NearestSpots& spots, int k) {
  return graph_of(spots.choices(alike(spots, {.capacity = static_cast<std::size_t>(k)})));
}

std::vector<double> automatic_radii(const NearestSpots& spots) {
  const std::vector<int> strides = strides_of(spots);
  std::vector<double> radii(strides.size(), 0);
  const auto find_missing = [&](std::size_t n_nearest, auto radius_of) {
    constexpr int one_spot = std::numeric_limits<int>::max();  // of a section that is done
    std::vector<Search> searches = alike(spots, {.capacity = n_nearest});
    for (std::size_t s = 0; s < radii.size(); ++s)
      searches[s].stride = radii[s] > 0 ? one_spot : strides[s];
    const std::vector<Choices> nearest = by_section(spots.choices(searches), spots);
    for (std::size_t s = 0; s < radii.size(); ++s)
      if (radii[s] == 0) radii[s] = radius_of(nearest[s]);
    radii = spots.ranks().of_first(radii);
  };
  find_missing(9, radius_of_lattice);
  // Four times as many, so that 6 on average is reached where spots are uneven.
  if (std::ranges::count(radii, 0) > 0)
    find_missing(4 * target_neighbors, [](const Choices& nearest) {
      return radius_of_average(nearest, target_neighbors);
    });
  return radii;
}

ConnectedSpots automatic_graph(const NearestSpots& spots, int max_neighbors) {
  constexpr double most_on_average = 12;
  const auto most = static_cast<std::size_t>(max_neighbors);
  ConnectedSpots found{.graph = {}, .radius = automatic_radii(spots)};
  std::vector<Search> searches;
  for (const double radius : found.radius) searches.push_back({.radius = radius, .capacity = most});
  found.graph = graph_of(spots.choices(searches));
  std::vector<double> is_uneven;  // 1: yes
  for (const GraphSummary& section : summaries_of(found.graph, spots.section(), spots.n_sections()))
    is_uneven.push_back(section.is_torn() || section.mean > most_on_average ? 1 : 0);
  is_uneven = spots.ranks().of_first(is_uneven);
  for (std::size_t s = 0; s < searches.size(); ++s) {
    if (is_uneven[s] == 0 || found.radius[s] == 0) continue;  // 0: all at one place
    searches[s] = {.capacity = std::min(most, target_neighbors)};
    found.radius[s] = 0;
    found.n_nearest = static_cast<int>(searches[s].capacity);
  }
  if (found.n_nearest > 0) found.graph = graph_of(spots.choices(searches));
  return found;
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
  const std::vector<std::int32_t> one_section(static_cast<std::size_t>(graph.n_spots()), 0);
  return summaries_of(graph, one_section, 1).front();
}

std::vector<GraphSummary> summaries_of(const SpatialGraph& graph,
                                       std::span<const std::int32_t> section, int n_sections) {
  std::vector<int> n_chosen(static_cast<std::size_t>(graph.n_spots()), -1);  // not the self-loop
  for (const std::int32_t j : graph.source) ++n_chosen[j];
  std::vector<GraphSummary> summaries(static_cast<std::size_t>(n_sections));
  for (int i = 0; i < graph.n_spots(); ++i) {
    GraphSummary& of = summaries[section[i]];
    of.min = of.n_spots == 0 ? n_chosen[i] : std::min(of.min, n_chosen[i]);
    of.max = std::max(of.max, n_chosen[i]);
    of.mean += n_chosen[i];  // whole numbers: exact
    of.n_isolated += graph.row_start[i + 1] - graph.row_start[i] == 1 ? 1 : 0;
    ++of.n_spots;
  }
  for (GraphSummary& of : summaries) of.mean /= std::max(1, of.n_spots);
  return summaries;
}

void check_edges(const SpatialGraph& graph, double radius, const NearestSpots& spots) {
  const std::vector<double> has_edges{graph.n_edges() > graph.n_spots() ? 1.0 : 0.0};
  if (spots.ranks().of_first(has_edges).front() == 1) return;
  std::vector<double> better = automatic_radii(spots);
  std::erase(better, 0);
  if (better.empty())
    throw InputError(
        "the spatial graph has no edges (all spots lie at one place, or each in a section of its "
        "own; check input.spatial_key and input.batch_key)");
  const auto [least, most] = std::ranges::minmax(better);
  throw InputError(fmt::format(
      "prepare.rad_cutoff = {} gives a graph without edges (no two spots are so close; {})", radius,
      least == most
          ? fmt::format("use {:.6g}, which is what auto chooses", least)
          : fmt::format("use auto, which chooses {:.6g} to {:.6g} by section", least, most)));
}

}  // namespace stamarker
