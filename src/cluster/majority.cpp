#include <algorithm>
#include <cstddef>
#include <map>
#include <nanoflann.hpp>

#include "base/error.hpp"
#include "cluster/consensus.hpp"

namespace stamarker {
namespace {

/// The spots of one section, as nanoflann asks for them.
struct SectionSpots {
  const Coordinates& coordinates;
  std::vector<std::int32_t> spots;

  std::size_t kdtree_get_point_count() const { return spots.size(); }
  double kdtree_get_pt(std::size_t i, std::size_t dim) const {
    return coordinates.spot(spots[i])[dim];
  }
  template <class Box>
  bool kdtree_get_bbox(Box& /*box*/) const {
    return false;
  }
};
using Tree = nanoflann::KDTreeSingleIndexAdaptor<nanoflann::L2_Simple_Adaptor<double, SectionSpots>,
                                                 SectionSpots, -1, std::uint32_t>;

/// Spots of the section as near to spot i as its n_nearest-th nearest other one, i left out.
std::vector<std::int32_t> nearest_spots(const Tree& tree, const SectionSpots& section,
                                        std::int32_t i, std::size_t n_nearest) {
  const std::size_t n_wanted = std::min(n_nearest + 1, section.spots.size());  // i itself too
  std::vector<std::uint32_t> index(n_wanted);
  std::vector<double> squared(n_wanted);
  tree.knnSearch(section.coordinates.spot(i), n_wanted, index.data(), squared.data());

  constexpr double rounding = 1 + 1e-9;  // of coordinates that should be equally far
  std::vector<std::pair<std::uint32_t, double>> found;
  tree.radiusSearch(section.coordinates.spot(i),
                    std::max(squared.back() * rounding, std::numeric_limits<double>::min()), found,
                    nanoflann::SearchParams(0, 0, false));
  std::vector<std::int32_t> others;
  for (const auto& [at, distance] : found)
    if (section.spots[at] != i) others.push_back(section.spots[at]);
  return others;
}

std::int32_t most_frequent(std::span<const std::int32_t> domain, std::int32_t own,
                           std::span<const std::int32_t> spots) {
  std::map<std::int32_t, int> count;
  for (const std::int32_t j : spots) ++count[domain[j]];
  std::int32_t winner = own;
  int most = count.contains(own) ? count.at(own) : 0;
  for (const auto& [candidate, n] : count)  // ascending, so equal counts go to the lower
    if (n > most) {
      most = n;
      winner = candidate;
    }
  return winner;
}

}  // namespace

std::vector<std::int32_t> follow_majority(std::span<const std::int32_t> domain,
                                          const Coordinates& coordinates,
                                          std::span<const std::int32_t> section, int n_neighbors) {
  expects(n_neighbors > 0 && section.size() == domain.size() &&
              static_cast<std::size_t>(coordinates.n_spots()) == domain.size(),
          "coordinates and section of every spot, at least one neighbour");
  std::map<std::int32_t, std::vector<std::int32_t>> spots_of;
  for (std::size_t i = 0; i < section.size(); ++i)
    spots_of[section[i]].push_back(static_cast<std::int32_t>(i));

  std::vector<std::int32_t> result(domain.begin(), domain.end());
  for (auto& [name, spots] : spots_of) {
    const SectionSpots points{coordinates, std::move(spots)};
    const Tree tree(coordinates.n_dims, points);
    const auto n = static_cast<std::int64_t>(points.spots.size());
#pragma omp parallel for schedule(static)
    for (std::int64_t p = 0; p < n; ++p) {  // NOLINT(openmp-exception-escape): nanoflann throws
                                            // only for a tree without points
      const std::int32_t i = points.spots[p];
      const auto near = nearest_spots(tree, points, i, static_cast<std::size_t>(n_neighbors));
      result[i] = most_frequent(domain, domain[i], near);
    }
  }
  return result;
}

}  // namespace stamarker
