#include "data/spatial_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <iterator>
#include <limits>
#include <map>
#include <nanoflann.hpp>
#include <vector>

#include "base/error.hpp"

namespace stamarker {
namespace {

struct Neighbor {
  std::int32_t spot = 0;
  double distance = 0;  // Euclidean
};
/// For each spot the other spots it chose, in ascending order of distance; one spot after another.
struct Choices {
  std::vector<std::int32_t> count;  // [spots]
  std::vector<std::int32_t> spot;   // [chosen]
  std::vector<double> distance;     // [chosen]
};

/// How far and how many each spot may choose, and which spots are asked: every n-th.
struct Search {
  double radius = std::numeric_limits<double>::infinity();
  std::size_t capacity = 1;
  int stride = 1;
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

template <int NDims>
std::vector<Neighbor> chosen_by(const Tree<NDims>& tree, const Section& section, std::int32_t local,
                                const Search& search) {
  NearestSet set(search.capacity + 1, search.radius * search.radius);  // it finds itself too
  tree.findNeighbors(set, section.coordinates.spot(section.spots[local]),
                     nanoflann::SearchParams());
  std::vector<Neighbor> chosen;
  chosen.reserve(set.size());
  for (const auto& [squared_distance, other] : set.found()) {
    const double distance = std::sqrt(squared_distance);
    if (static_cast<std::int32_t>(other) == local || !(distance < search.radius)) continue;
    if (chosen.size() == search.capacity) break;  // so many lie at this very place
    chosen.push_back({section.spots[other], distance});
  }
  return chosen;
}

/// Spots first .. last - 1 of the whole, which are asked.
struct Asked {
  std::int32_t first = 0, last = 0;
};

/// The choices of the asked spots that lie in `section`, into chosen[spot - asked.first].
template <int NDims>
void choose(const Section& section, const Search& search, Asked asked,
            std::vector<std::vector<Neighbor>>& chosen) {
  const auto local_of = [&](std::int32_t spot) {
    return static_cast<std::int32_t>(std::ranges::lower_bound(section.spots, spot) -
                                     section.spots.begin());
  };
  const std::int32_t begin = local_of(asked.first), end = local_of(asked.last);
  const std::int32_t first = (begin + search.stride - 1) / search.stride * search.stride;
  if (first >= end) return;
  const Tree<NDims> tree(NDims, section, nanoflann::KDTreeSingleIndexAdaptorParams(12));
  std::exception_ptr failure;  // none may leave the parallel region
#pragma omp parallel for schedule(dynamic, 256)
  for (std::int32_t local = first; local < end; local += search.stride) try {
      chosen[section.spots[local] - asked.first] = chosen_by<NDims>(tree, section, local, search);
    } catch (...) {
#pragma omp critical(stamarker_search)
      failure = std::current_exception();
    }
  if (failure) std::rethrow_exception(failure);
}

std::vector<Section> sections_of(const Coordinates& coordinates,
                                 std::span<const std::int32_t> section) {
  expects(static_cast<int>(section.size()) == coordinates.n_spots(), "a section for each spot");
  std::map<std::int32_t, std::vector<std::int32_t>> spots;
  for (int i = 0; i < coordinates.n_spots(); ++i) spots[section[i]].push_back(i);
  std::vector<Section> sections;
  sections.reserve(spots.size());
  for (auto& [index, members] : spots) sections.push_back({coordinates, std::move(members)});
  return sections;
}

/// Of all spots on the first rank, of none elsewhere.
Choices choices_of(const Coordinates& coordinates, std::span<const std::int32_t> section,
                   Search search, const SearchRanks& ranks) {
  expects(coordinates.n_dims == 2 || coordinates.n_dims == 3, "coordinates in 2-D or 3-D");
  expects(std::ranges::all_of(coordinates.values, [](double x) { return std::isfinite(x); }),
          "finite coordinates");
  const std::int64_t n_spots = coordinates.n_spots();
  search.capacity = std::min(search.capacity, static_cast<std::size_t>(n_spots));
  const auto edge = [&](int rank) {
    return static_cast<std::int32_t>(rank * n_spots / ranks.n_ranks());
  };
  const Asked asked{edge(ranks.rank()), edge(ranks.rank() + 1)};
  std::vector<std::vector<Neighbor>> chosen(static_cast<std::size_t>(asked.last - asked.first));
  for (const Section& one : sections_of(coordinates, section)) {
    if (coordinates.n_dims == 2)
      choose<2>(one, search, asked, chosen);
    else
      choose<3>(one, search, asked, chosen);
  }
  Choices choices;
  std::size_t n_chosen = 0;
  for (const std::vector<Neighbor>& of_spot : chosen) n_chosen += of_spot.size();
  choices.count.reserve(chosen.size());
  choices.spot.reserve(n_chosen);
  choices.distance.reserve(n_chosen);
  for (std::vector<Neighbor>& of_spot : chosen) {
    choices.count.push_back(static_cast<std::int32_t>(of_spot.size()));
    for (const Neighbor& one : of_spot) {
      choices.spot.push_back(one.spot);
      choices.distance.push_back(one.distance);
    }
    of_spot = {};  // so that the same is not held twice
  }
  choices.count = ranks.on_first(std::move(choices.count));
  choices.spot = ranks.on_first(std::move(choices.spot));
  choices.distance = ranks.on_first(std::move(choices.distance));
  return choices;
}

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

/// What automatic_radius says, from the choices of all spots asked.
double radius_of(const Choices& nearest, std::size_t target) {
  std::array<double, 10> d{};  // d[k]: median distance to the k-th nearest
  for (std::size_t k = 1; k < d.size(); ++k) d[k] = median(kth_distances(nearest, k));
  for (const std::size_t k : {6, 5, 7, 4, 8})
    if (d[k] > 0 && d[k + 1] > 1.2 * d[k]) return (d[k] + d[k + 1]) / 2;

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

SpatialGraph radius_graph(const Coordinates& coordinates, std::span<const std::int32_t> section,
                          double radius, int max_neighbors, const SearchRanks& ranks) {
  return graph_of(
      choices_of(coordinates, section,
                 {.radius = radius, .capacity = static_cast<std::size_t>(max_neighbors)}, ranks));
}

SpatialGraph nearest_graph(const Coordinates& coordinates, std::span<const std::int32_t> section,
                           int k, const SearchRanks& ranks) {
  return graph_of(
      choices_of(coordinates, section, {.capacity = static_cast<std::size_t>(k)}, ranks));
}

double automatic_radius(const Coordinates& coordinates, std::span<const std::int32_t> section,
                        const SearchRanks& ranks) {
  constexpr std::size_t target = 6;
  // Four times as many, so that 6 on average is reached where spots are uneven; of a large section
  // every n-th spot says enough.
  const Choices nearest =
      choices_of(coordinates, section,
                 {.capacity = 4 * target, .stride = 1 + coordinates.n_spots() / 100'000}, ranks);
  return ranks.of_first(radius_of(nearest, target));
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
                 std::span<const std::int32_t> section, const SearchRanks& ranks) {
  if (ranks.of_first(graph.n_edges() > graph.n_spots() ? 1 : 0) == 1) return;
  const double better = automatic_radius(coordinates, section, ranks);
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
