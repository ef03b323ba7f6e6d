#include "data/spatial_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <nanoflann.hpp>
#include <vector>

#include "base/error.hpp"

namespace stamarker {
namespace {

struct Neighbor {
  std::int32_t spot = -1;  // -1: there is none
  double distance = 0;     // Euclidean

  bool operator<(const Neighbor& other) const {
    return distance != other.distance ? distance < other.distance : spot < other.spot;
  }
};

/// The spots of one section, as nanoflann wants to see them.
struct Section {
  const Coordinates& coordinates;
  std::vector<std::int32_t> spots;  // global indices, ascending

  std::size_t kdtree_get_point_count() const { return spots.size(); }
  double kdtree_get_pt(std::size_t local, std::size_t dim) const {
    return coordinates.spot(spots[local])[dim];
  }
  template <class Box>
  bool kdtree_get_bbox(Box&) const {
    return false;  // nanoflann computes it
  }
};

/// The nearest `capacity` spots closer than a radius, in order; ties at the last place go to the
/// lower index, which nanoflann's own result sets leave open.
class NearestSet {
 public:
  NearestSet(std::size_t capacity, double squared_radius)
      : capacity_(capacity), limit_(squared_radius * (1 + 1e-12)) {
    found_.reserve(capacity + 1);
  }

  // What nanoflann asks of a result set.
  using DistanceType = double;
  std::size_t size() const { return found_.size(); }
  bool full() const { return true; }
  /// Farther branches are skipped. A little more than the limit, for those at exactly that
  /// distance may hold a lower index, and nanoflann's bound of a branch is rounded.
  double worstDist() const { return limit_ * (1 + 1e-12) + std::numeric_limits<double>::min(); }
  bool addPoint(double squared_distance, std::uint32_t local) {
    if (squared_distance > limit_) return true;
    const std::pair point(squared_distance, local);
    found_.insert(std::upper_bound(found_.begin(), found_.end(), point), point);
    if (found_.size() > capacity_) found_.resize(capacity_);
    if (found_.size() == capacity_) limit_ = found_.back().first;
    return true;
  }

  const std::vector<std::pair<double, std::uint32_t>>& found() const { return found_; }

 private:
  std::size_t capacity_;  // 1 or more
  double limit_;          // squared; of the radius, then of the last one held
  std::vector<std::pair<double, std::uint32_t>> found_;  // squared distance, local index; ascending
};

template <int NDims>
using Tree = nanoflann::KDTreeSingleIndexAdaptor<nanoflann::L2_Simple_Adaptor<double, Section>,
                                                 Section, NDims, std::uint32_t>;

/// For each spot of the section its `capacity` nearest other spots closer than `radius`, padded.
template <int NDims>
void search(const Section& section, std::size_t capacity, double radius,
            std::vector<Neighbor>& nearest) {
  const Tree<NDims> tree(NDims, section, nanoflann::KDTreeSingleIndexAdaptorParams(12));
  const auto n_spots = static_cast<std::int64_t>(section.spots.size());
#pragma omp parallel for schedule(dynamic, 256)
  for (std::int64_t local = 0; local < n_spots; ++local) {
    const std::int32_t spot = section.spots[local];
    NearestSet set(capacity + 1, radius * radius);  // the spot finds itself too
    tree.findNeighbors(set, section.coordinates.spot(spot), nanoflann::SearchParams());
    std::size_t at = static_cast<std::size_t>(spot) * capacity;
    const std::size_t end = at + capacity;
    for (const auto& [squared_distance, other] : set.found()) {
      const double distance = std::sqrt(squared_distance);
      if (other == local || !(distance < radius) || at == end) continue;
      nearest[at++] = {section.spots[other], distance};
    }
  }
}

std::vector<Section> sections_of(const Coordinates& coordinates,
                                 std::span<const std::int32_t> section) {
  expects(static_cast<int>(section.size()) == coordinates.n_spots(), "a section for each spot");
  std::map<std::int32_t, std::vector<std::int32_t>> spots;
  for (int i = 0; i < coordinates.n_spots(); ++i) spots[section[i]].push_back(i);
  std::vector<Section> sections;
  for (auto& [index, members] : spots) sections.push_back({coordinates, std::move(members)});
  return sections;
}

void check_coordinates(const Coordinates& coordinates) {
  expects(coordinates.n_dims == 2 || coordinates.n_dims == 3, "coordinates in 2-D or 3-D");
  for (int i = 0; i < coordinates.n_spots(); ++i)
    for (int d = 0; d < coordinates.n_dims; ++d)
      if (const double value = coordinates.spot(i)[d]; !std::isfinite(value))
        throw InputError(fmt::format(
            "coordinate {} of spot {} (both from 0) is {} (every spot needs a position; "
            "remove those without one or change input.spatial_key)",
            d, i, value));
}

/// [n_spots, capacity]: neighbours of each spot in ascending order of distance, padded with -1.
std::vector<Neighbor> neighbors(const Coordinates& coordinates,
                                std::span<const std::int32_t> section, std::size_t capacity,
                                double radius) {
  check_coordinates(coordinates);
  std::vector<Neighbor> nearest(static_cast<std::size_t>(coordinates.n_spots()) * capacity);
  for (const Section& one : sections_of(coordinates, section)) {
    if (coordinates.n_dims == 2)
      search<2>(one, capacity, radius, nearest);
    else
      search<3>(one, capacity, radius, nearest);
  }
  return nearest;
}

/// Turns "j chose i" into rows of i. Sources arrive in ascending order, so rows ascend.
SpatialGraph graph_of_choices(int n_spots, std::size_t capacity,
                              const std::vector<Neighbor>& nearest) {
  SpatialGraph graph;
  graph.row_start.assign(static_cast<std::size_t>(n_spots) + 1, 1);
  graph.row_start[0] = 0;
  for (const Neighbor& chosen : nearest)
    if (chosen.spot >= 0) ++graph.row_start[chosen.spot + 1];
  for (int i = 0; i < n_spots; ++i) graph.row_start[i + 1] += graph.row_start[i];
  graph.source.resize(graph.n_edges());
  graph.distance.resize(graph.n_edges());
  std::vector<std::int64_t> next(graph.row_start.begin(), graph.row_start.end() - 1);
  const auto add = [&](std::int32_t i, std::int32_t j, double distance) {
    graph.source[next[i]] = j;
    graph.distance[next[i]++] = static_cast<float>(distance);
  };
  for (std::int32_t j = 0; j < n_spots; ++j) {
    add(j, j, 0);
    for (std::size_t k = 0; k < capacity; ++k)
      if (const Neighbor& chosen = nearest[j * capacity + k]; chosen.spot >= 0)
        add(chosen.spot, j, chosen.distance);
  }
  return graph;
}

/// Distances to the k-th nearest spot, over all spots that have so many.
std::vector<double> kth_distances(const std::vector<Neighbor>& nearest, std::size_t capacity,
                                  std::size_t k) {
  std::vector<double> distances;
  for (std::size_t at = k - 1; at < nearest.size(); at += capacity)
    if (nearest[at].spot >= 0) distances.push_back(nearest[at].distance);
  return distances;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

SpatialGraph radius_graph(const Coordinates& coordinates, std::span<const std::int32_t> section,
                          double radius, int max_neighbors) {
  const auto capacity = static_cast<std::size_t>(max_neighbors);
  return graph_of_choices(coordinates.n_spots(), capacity,
                          neighbors(coordinates, section, capacity, radius));
}

SpatialGraph nearest_graph(const Coordinates& coordinates, std::span<const std::int32_t> section,
                           int k) {
  const auto capacity = static_cast<std::size_t>(k);
  constexpr double any = std::numeric_limits<double>::infinity();
  return graph_of_choices(coordinates.n_spots(), capacity,
                          neighbors(coordinates, section, capacity, any));
}

double automatic_radius(const Coordinates& coordinates, std::span<const std::int32_t> section) {
  constexpr std::size_t target = 6;
  constexpr std::size_t capacity = 24;  // enough for 6 on average where spots are uneven
  constexpr double any = std::numeric_limits<double>::infinity();
  const std::vector<Neighbor> nearest = neighbors(coordinates, section, capacity, any);

  std::array<double, 10> d{};  // d[k]: median distance to the k-th nearest
  for (std::size_t k = 1; k < d.size(); ++k) d[k] = median(kth_distances(nearest, capacity, k));
  for (const std::size_t k : {6, 5, 7, 4, 8})
    if (d[k] > 0 && d[k + 1] > 1.2 * d[k]) return (d[k] + d[k + 1]) / 2;

  std::vector<double> distances;
  for (const Neighbor& one : nearest)
    if (one.spot >= 0 && one.distance > 0) distances.push_back(one.distance);
  if (distances.empty()) return 0;
  const std::size_t wanted = static_cast<std::size_t>(coordinates.n_spots()) * target;
  const auto last =
      distances.begin() + static_cast<std::ptrdiff_t>(std::min(wanted, distances.size()) - 1);
  std::nth_element(distances.begin(), last, distances.end());
  return *last * (1 + 1e-9);  // the radius itself is outside
}

GraphSummary summary_of(const SpatialGraph& graph) {
  GraphSummary summary;
  const int n = graph.n_spots();
  if (n == 0) return summary;
  summary.min = std::numeric_limits<int>::max();
  for (int i = 0; i < n; ++i) {
    const int degree = static_cast<int>(graph.row_start[i + 1] - graph.row_start[i]) - 1;
    summary.min = std::min(summary.min, degree);
    summary.max = std::max(summary.max, degree);
    summary.n_isolated += degree == 0;
  }
  summary.mean = static_cast<double>(graph.n_edges() - n) / n;
  return summary;
}

void check_edges(const SpatialGraph& graph, double radius, const Coordinates& coordinates,
                 std::span<const std::int32_t> section) {
  if (graph.n_edges() > graph.n_spots()) return;
  const double better = automatic_radius(coordinates, section);
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
