#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "data/spatial_graph.hpp"
#include "data/spatial_order.hpp"
#include "random_points.hpp"

namespace stamarker::test {
namespace {

using Indices = std::vector<std::int32_t>;

Tile one_of_four_tiles(const Coordinates& coordinates, const SpatialGraph& graph) {
  const std::vector<double> weight(static_cast<std::size_t>(coordinates.n_spots()), 1);
  return make_tile(graph, bisect(coordinates, weight, 4).at(1), Halo::sources);
}

std::set<std::int32_t> group(const Tile& tile, int first, int last) {
  return {tile.spots.begin() + first, tile.spots.begin() + last};
}

/// Global sources of local row i, in order.
Indices row(const Tile& tile, int i) {
  Indices sources;
  for (std::int64_t e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e)
    sources.push_back(tile.spots[tile.source[e]]);
  return sources;
}

TEST(SpatialOrder, KeepsGroupsAndRowsOfATile) {
  for (const int n_dims : {2, 3}) {
    const Coordinates c = random_points(400, n_dims, 5);
    const SpatialGraph graph = nearest_graph({c, one_section(c)}, 5);
    const Tile before = one_of_four_tiles(c, graph);

    Tile tile = before;
    order_in_space(c, tile);

    const int own = before.n_own, attending = before.n_attending, all = before.n_spots();
    ASSERT_EQ(tile.n_own, own);
    ASSERT_EQ(tile.n_attending, attending);
    ASSERT_EQ(tile.n_spots(), all);
    EXPECT_EQ(group(tile, 0, own), group(before, 0, own));
    EXPECT_EQ(group(tile, own, attending), group(before, own, attending));
    EXPECT_EQ(group(tile, attending, all), group(before, attending, all));
    for (int i = 0; i < attending; ++i) {
      const std::int32_t spot = tile.spots[i];
      const Indices wanted(graph.source.begin() + graph.row_start[spot],
                           graph.source.begin() + graph.row_start[spot + 1]);
      EXPECT_EQ(row(tile, i), wanted);
    }
  }
}

TEST(SpatialOrder, BringsNeighborsOfAShuffledSectionTogether) {
  const Coordinates c = random_points(4096, 2, 6);
  const SpatialGraph graph = nearest_graph({c, one_section(c)}, 6);
  Indices own(4096);
  for (int i = 0; i < 4096; ++i) own[i] = i;
  Tile tile = make_tile(graph, own, Halo::sources);
  const auto share_near = [&] {  // of edges that lead no further than 256 places away
    std::int64_t near = 0;
    for (int i = 0; i < tile.n_attending; ++i)
      for (std::int64_t e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e)
        near += std::abs(tile.source[e] - i) < 256;
    return static_cast<double>(near) / static_cast<double>(tile.n_edges());
  };
  EXPECT_LT(share_near(), 0.3);  // self-loops, and chance

  order_in_space(c, tile);

  EXPECT_GT(share_near(), 0.8);
}

TEST(SpatialOrder, TakesSpotsOfOnePlaceByIndex) {
  const Coordinates c{2, std::vector<double>(20, 3)};
  SpatialGraph graph;
  for (int i = 0; i < 10; ++i) {
    graph.source.push_back(i);
    graph.row_start.push_back(i + 1);
  }
  Tile tile = make_tile(graph, Indices{2, 4, 9}, Halo::sources);

  order_in_space(c, tile);

  EXPECT_EQ(tile.spots, (Indices{2, 4, 9}));
}

}  // namespace
}  // namespace stamarker::test
