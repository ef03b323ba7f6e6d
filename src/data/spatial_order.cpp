#include "data/spatial_order.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace stamarker {
namespace {

/// Bits of the places along each axis, interleaved: 20 of each.
std::vector<std::uint64_t> curve_positions(const Coordinates& coordinates,
                                           std::span<const std::int32_t> spots) {
  constexpr int n_bits = 20;
  const int n_dims = coordinates.n_dims;
  std::vector<std::uint64_t> position(spots.size(), 0);
  double extent = 0;
  std::vector<double> low(static_cast<std::size_t>(n_dims));
  for (int d = 0; d < n_dims; ++d) {
    const auto at = [&](std::int32_t i) { return coordinates.spot(i)[d]; };
    const auto [least, most] = std::ranges::minmax_element(spots, {}, at);
    low[d] = at(*least);
    extent = std::max(extent, at(*most) - low[d]);
  }
  if (extent <= 0) return position;
  for (std::size_t k = 0; k < spots.size(); ++k) {
    for (int d = 0; d < n_dims; ++d) {
      const double share = (coordinates.spot(spots[k])[d] - low[d]) / extent;
      const auto cell = static_cast<std::uint64_t>(share * ((1 << n_bits) - 1));
      for (int bit = 0; bit < n_bits; ++bit) position[k] |= (cell >> bit & 1) << (bit * n_dims + d);
    }
  }
  return position;
}

}  // namespace

void order_in_space(const Coordinates& coordinates, Tile& tile) {
  const std::vector<std::uint64_t> position = curve_positions(coordinates, tile.spots);
  std::vector<std::int32_t> old_of(tile.spots.size()), new_of(tile.spots.size());
  std::iota(old_of.begin(), old_of.end(), 0);
  const auto sort_group = [&](int first, int last) {
    std::sort(old_of.begin() + first, old_of.begin() + last, [&](std::int32_t a, std::int32_t b) {
      return position[a] != position[b] ? position[a] < position[b] : a < b;
    });
  };
  sort_group(0, tile.n_own);
  sort_group(tile.n_own, tile.n_attending);
  sort_group(tile.n_attending, tile.n_spots());

  Tile ordered;
  ordered.n_own = tile.n_own;
  ordered.n_attending = tile.n_attending;
  for (std::size_t k = 0; k < old_of.size(); ++k) {
    new_of[old_of[k]] = static_cast<std::int32_t>(k);
    ordered.spots.push_back(tile.spots[old_of[k]]);
  }
  ordered.row_start.push_back(0);
  for (int i = 0; i < tile.n_attending; ++i) {
    for (std::int64_t e = tile.row_start[old_of[i]]; e < tile.row_start[old_of[i] + 1]; ++e)
      ordered.source.push_back(new_of[tile.source[e]]);
    ordered.row_start.push_back(static_cast<std::int64_t>(ordered.source.size()));
  }
  tile = std::move(ordered);
}

}  // namespace stamarker
