#pragma once
#include <vector>

#include "base/random.hpp"
#include "data/dataset.hpp"

namespace stamarker::test {

/// Uniform positions in the unit square or cube.
inline Coordinates random_points(int n_spots, int n_dims, std::uint32_t seed) {
  RandomSequence random({seed, 0, Purpose::simulation}, 0);
  Coordinates coordinates{n_dims, {}};
  for (int k = 0; k < n_spots * n_dims; ++k) coordinates.values.push_back(random.uniform());
  return coordinates;
}

/// Corners of a square (2-D) or cubic lattice, `side` along each axis, 1 apart.
inline Coordinates lattice(int side, int n_dims) {
  Coordinates coordinates{n_dims, {}};
  const int n_spots = n_dims == 2 ? side * side : side * side * side;
  for (int k = 0; k < n_spots; ++k)
    for (int d = 0, rest = k; d < n_dims; ++d, rest /= side)
      coordinates.values.push_back(rest % side);
  return coordinates;
}

inline std::vector<std::int32_t> one_section(const Coordinates& coordinates) {
  return std::vector<std::int32_t>(coordinates.n_spots(), 0);
}

}  // namespace stamarker::test
