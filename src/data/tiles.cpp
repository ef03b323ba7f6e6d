#include "data/tiles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace stamarker {
namespace {

using Indices = std::vector<std::int32_t>;

int axis_of_greatest_extent(const Coordinates& coordinates, std::span<const std::int32_t> spots) {
  int best = 0;
  double greatest = -1;
  for (int d = 0; d < coordinates.n_dims; ++d) {
    double low = coordinates.spot(spots[0])[d], high = low;
    for (const std::int32_t i : spots) {
      low = std::min(low, coordinates.spot(i)[d]);
      high = std::max(high, coordinates.spot(i)[d]);
    }
    if (high - low > greatest) {
      greatest = high - low;
      best = d;
    }
  }
  return best;
}

/// How many of the ordered spots go left, so that their weight comes nearest to `share` of all.
/// At least `least` of them and at most all but `least_right`.
std::size_t cut_of(std::span<const std::int32_t> spots, std::span<const double> weight,
                   double share, std::size_t least, std::size_t least_right) {
  double total = 0;
  for (const std::int32_t i : spots) total += weight[i];
  const double wanted = share * total;
  double left = 0;
  std::size_t n_left = 0;
  while (n_left < spots.size() && left + weight[spots[n_left]] / 2 < wanted)
    left += weight[spots[n_left++]];
  return std::clamp(n_left, least, spots.size() - least_right);
}

void bisect_part(const Coordinates& coordinates, std::span<const double> weight,
                 std::span<std::int32_t> spots, int n_tiles, std::vector<Indices>& parts) {
  if (n_tiles == 1) {
    std::sort(spots.begin(), spots.end());
    parts.emplace_back(spots.begin(), spots.end());
    return;
  }
  const int axis = axis_of_greatest_extent(coordinates, spots);
  std::sort(spots.begin(), spots.end(), [&](std::int32_t a, std::int32_t b) {
    const double at_a = coordinates.spot(a)[axis], at_b = coordinates.spot(b)[axis];
    return at_a != at_b ? at_a < at_b : a < b;
  });
  const int n_left = n_tiles / 2, n_right = n_tiles - n_left;
  const std::size_t at =
      cut_of(spots, weight, static_cast<double>(n_left) / n_tiles, static_cast<std::size_t>(n_left),
             static_cast<std::size_t>(n_right));
  bisect_part(coordinates, weight, spots.first(at), n_left, parts);
  bisect_part(coordinates, weight, spots.subspan(at), n_right, parts);
}

/// Gives local indices to spots in the order in which they are found, hop by hop.
class LocalIndex {
 public:
  explicit LocalIndex(int n_spots) : local_(static_cast<std::size_t>(n_spots), -1) {}

  bool holds(std::int32_t spot) const { return local_[spot] >= 0; }
  std::int32_t operator[](std::int32_t spot) const { return local_[spot]; }
  int size() const { return static_cast<int>(spots_.size()); }
  const Indices& spots() const { return spots_; }

  /// Adds the spots not yet held, in ascending order. Duplicates count once.
  void add(Indices found) {
    std::sort(found.begin(), found.end());
    for (const std::int32_t spot : found) {
      if (holds(spot)) continue;
      local_[spot] = size();
      spots_.push_back(spot);
    }
  }

 private:
  Indices local_;  // [n_spots of the section], -1: not here
  Indices spots_;
};

std::span<const std::int32_t> row_of(const SpatialGraph& graph, std::int32_t spot) {
  return std::span(graph.source)
      .subspan(graph.row_start[spot], graph.row_start[spot + 1] - graph.row_start[spot]);
}

Indices sources_of(const SpatialGraph& graph, std::span<const std::int32_t> spots) {
  Indices found;
  for (const std::int32_t i : spots) {
    const auto row = row_of(graph, i);
    found.insert(found.end(), row.begin(), row.end());
  }
  return found;
}

/// Spots whose row holds one of those in `index`.
Indices attending_to(const SpatialGraph& graph, const LocalIndex& index) {
  Indices found;
  for (std::int32_t i = 0; i < graph.n_spots(); ++i) {
    const auto row = row_of(graph, i);
    if (std::any_of(row.begin(), row.end(), [&](std::int32_t j) { return index.holds(j); }))
      found.push_back(i);
  }
  return found;
}

}  // namespace

std::vector<std::vector<std::int32_t>> bisect(const Coordinates& coordinates,
                                              std::span<const double> weight, int n_tiles) {
  const int n_spots = coordinates.n_spots();
  expects(static_cast<int>(weight.size()) == n_spots, "a weight for each spot");
  if (n_tiles < 1 || n_tiles > n_spots)
    throw InputError(fmt::format("compute.tiles = {} (must lie in 1 .. number of spots = {})",
                                 n_tiles, n_spots));
  Indices spots(static_cast<std::size_t>(n_spots));
  std::iota(spots.begin(), spots.end(), 0);
  std::vector<Indices> parts;
  bisect_part(coordinates, weight, spots, n_tiles, parts);
  return parts;
}

Tile make_tile(const SpatialGraph& graph, std::span<const std::int32_t> own, Halo halo) {
  expects(std::adjacent_find(own.begin(), own.end(), std::greater_equal<>()) == own.end(),
          "own spots ascend");
  LocalIndex index(graph.n_spots());
  index.add({own.begin(), own.end()});
  Tile tile;
  tile.n_own = index.size();
  index.add(halo == Halo::sources ? sources_of(graph, own) : attending_to(graph, index));
  tile.n_attending = index.size();
  const Indices attending = index.spots();
  index.add(sources_of(graph, attending));
  tile.spots = index.spots();

  tile.row_start.push_back(0);
  for (const std::int32_t i : attending) {
    for (const std::int32_t j : row_of(graph, i)) tile.source.push_back(index[j]);
    tile.row_start.push_back(static_cast<std::int64_t>(tile.source.size()));
  }
  return tile;
}

}  // namespace stamarker
