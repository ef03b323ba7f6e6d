#include "data/tiles.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

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
  /// `local`: [n_spots of the section], all -1, as it is again afterwards.
  explicit LocalIndex(std::span<std::int32_t> local) : local_(local) {}
  ~LocalIndex() {
    for (const std::int32_t spot : spots_) local_[spot] = -1;
  }
  LocalIndex(const LocalIndex&) = delete;
  LocalIndex& operator=(const LocalIndex&) = delete;

  std::int32_t operator[](std::int32_t spot) const { return local_[spot]; }
  int size() const { return static_cast<int>(spots_.size()); }
  const Indices& spots() const { return spots_; }

  /// Adds the spots not yet held, in ascending order. Duplicates count once.
  void add(Indices found) {
    std::sort(found.begin(), found.end());
    for (const std::int32_t spot : found) {
      if (local_[spot] >= 0) continue;
      local_[spot] = size();
      spots_.push_back(spot);
    }
  }

 private:
  std::span<std::int32_t> local_;
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

/// Of each spot the part that it is in, or -1.
Indices part_of_spots(int n_spots, const std::vector<Indices>& parts) {
  Indices part_of(static_cast<std::size_t>(n_spots), -1);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    expects(std::adjacent_find(parts[p].begin(), parts[p].end(), std::greater_equal<>()) ==
                parts[p].end(),
            "own spots ascend");
    for (const std::int32_t spot : parts[p]) {
      expects(part_of[spot] < 0, "a spot is one tile's own");
      part_of[spot] = static_cast<std::int32_t>(p);
    }
  }
  return part_of;
}

/// For each part the other spots in whose row one of its spots is, ascending.
std::vector<Indices> attending_to(const SpatialGraph& graph, const Indices& part_of,
                                  std::size_t n_parts) {
  std::vector<Indices> attending(n_parts);
  for (std::int32_t i = 0; i < graph.n_spots(); ++i)
    for (const std::int32_t j : row_of(graph, i)) {
      if (part_of[j] < 0 || part_of[j] == part_of[i]) continue;
      Indices& found = attending[part_of[j]];
      if (found.empty() || found.back() != i) found.push_back(i);
    }
  return attending;
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

Tiling::Tiling(const SpatialGraph& graph, std::vector<std::vector<std::int32_t>> own, Halo halo)
    : graph_(graph), halo_(halo), own_(std::move(own)) {
  local_ = part_of_spots(graph.n_spots(), own_);
  if (halo == Halo::attending) attending_ = attending_to(graph, local_, own_.size());
  std::ranges::fill(local_, -1);
}

Tile Tiling::tile(int t) {
  LocalIndex index(local_);
  index.add(own_.at(t));
  Tile tile;
  tile.n_own = index.size();
  index.add(halo_ == Halo::sources ? sources_of(graph_, own_[t]) : attending_[t]);
  tile.n_attending = index.size();
  const Indices attending = index.spots();
  index.add(sources_of(graph_, attending));
  tile.spots = index.spots();

  tile.row_start.push_back(0);
  for (const std::int32_t i : attending) {
    for (const std::int32_t j : row_of(graph_, i)) tile.source.push_back(index[j]);
    tile.row_start.push_back(static_cast<std::int64_t>(tile.source.size()));
  }
  return tile;
}

Tile make_tile(const SpatialGraph& graph, std::span<const std::int32_t> own, Halo halo) {
  return Tiling(graph, {Indices(own.begin(), own.end())}, halo).tile(0);
}

}  // namespace stamarker
