#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.hpp"
#include "data/spatial_graph.hpp"
#include "data/tiles.hpp"
#include "random_points.hpp"
#include "support/message_of.hpp"

namespace stamarker::test {
namespace {

using Indices = std::vector<std::int32_t>;
using Set = std::set<std::int32_t>;

Indices row(const SpatialGraph& graph, int i) {
  return {graph.source.begin() + graph.row_start[i], graph.source.begin() + graph.row_start[i + 1]};
}

Set sources_of(const SpatialGraph& graph, const Set& spots) {
  Set found;
  for (const int i : spots)
    for (const int j : row(graph, i)) found.insert(j);
  return found;
}

Set with_first_hop(const SpatialGraph& graph, const Set& own, Halo halo) {
  Set attending = own;
  if (halo == Halo::sources) {
    attending.merge(sources_of(graph, own));
    return attending;
  }
  for (int i = 0; i < graph.n_spots(); ++i)
    for (const int j : row(graph, i))
      if (own.contains(j)) attending.insert(i);
  return attending;
}

/// Everything the header promises of one tile, by sets.
void expect_whole(const SpatialGraph& graph, const Indices& own_list, Halo halo, const Tile& tile) {
  const Set own(own_list.begin(), own_list.end());
  const Set attending = with_first_hop(graph, own, halo);
  Set all = attending;
  all.merge(sources_of(graph, attending));

  ASSERT_EQ(tile.n_own, static_cast<int>(own.size()));
  ASSERT_EQ(tile.n_attending, static_cast<int>(attending.size()));
  ASSERT_EQ(tile.n_spots(), static_cast<int>(all.size()));
  const auto first = tile.spots.begin();
  EXPECT_EQ(Indices(first, first + tile.n_own), own_list);
  EXPECT_EQ(Set(first, first + tile.n_attending), attending);
  EXPECT_EQ(Set(first, tile.spots.end()), all);
  EXPECT_TRUE(std::is_sorted(first + tile.n_own, first + tile.n_attending));
  EXPECT_TRUE(std::is_sorted(first + tile.n_attending, tile.spots.end()));
  ASSERT_EQ(tile.row_start.size(), attending.size() + 1);
  for (int i = 0; i < tile.n_attending; ++i) {
    Indices global;
    for (std::int64_t e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e)
      global.push_back(tile.spots[tile.source[e]]);
    EXPECT_EQ(global, row(graph, tile.spots[i])) << "row of spot " << tile.spots[i];
  }
}

TEST(Tiling, HoldsTwoHopsOfSymmetricAndAsymmetricGraphs) {
  for (const std::uint32_t seed : {1U, 2U, 3U}) {
    const Coordinates c = random_points(180, 2, seed);
    const auto section = one_section(c);
    for (const SpatialGraph& graph :
         {radius_graph({c, section}, 0.11, 50), radius_graph({c, section}, 0.15, 3),
          nearest_graph({c, section}, 2), nearest_graph({c, section}, 6)})
      for (const int n_tiles : {1, 2, 3, 7, 20})
        for (const Halo halo : {Halo::sources, Halo::attending}) {
          const auto own = bisect(c, std::vector<double>(c.n_spots(), 1), n_tiles);
          Tiling tiling(graph, own, halo);
          for (int t = 0; t < n_tiles; ++t) {
            expect_whole(graph, own[t], halo, tiling.tile(t));
            expect_whole(graph, own[t], halo, make_tile(graph, own[t], halo));
          }
        }
  }
}

TEST(Tiling, RefusesOwnSpotsOutOfOrderOrOfTwoTiles) {
  const Coordinates c = random_points(10, 2, 9);
  const SpatialGraph graph = nearest_graph({c, one_section(c)}, 2);

  EXPECT_THROW(Tiling(graph, {{3, 1}}, Halo::sources), std::logic_error);
  EXPECT_THROW(Tiling(graph, {{1, 1}}, Halo::sources), std::logic_error);
  EXPECT_THROW(Tiling(graph, {{1, 2}, {2, 3}}, Halo::attending), std::logic_error);
}

TEST(MakeTile, IsTheIdentityForOneTile) {
  const Coordinates c = random_points(100, 2, 9);
  const SpatialGraph graph = nearest_graph({c, one_section(c)}, 5);
  const Indices all = bisect(c, std::vector<double>(100, 1), 1).at(0);

  const Tile tile = make_tile(graph, all, Halo::sources);

  EXPECT_EQ(tile.spots, all);
  EXPECT_EQ(tile.row_start, graph.row_start);
  EXPECT_EQ(tile.source, graph.source);
  EXPECT_EQ(tile.n_own, 100);
  EXPECT_EQ(tile.n_attending, 100);
}

void expect_partition(const std::vector<Indices>& parts, int n_spots) {
  Indices all;
  for (const Indices& part : parts) {
    EXPECT_FALSE(part.empty());
    EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
    all.insert(all.end(), part.begin(), part.end());
  }
  std::sort(all.begin(), all.end());
  Indices wanted(n_spots);
  std::iota(wanted.begin(), wanted.end(), 0);
  EXPECT_EQ(all, wanted);
}

TEST(Bisect, PutsEverySpotInOnePart) {
  for (const int n_dims : {2, 3})
    for (const int n_tiles : {1, 2, 3, 5, 8, 31, 97}) {
      const Coordinates c = random_points(97, n_dims, 8);

      const auto parts = bisect(c, std::vector<double>(97, 1), n_tiles);

      EXPECT_EQ(static_cast<int>(parts.size()), n_tiles);
      expect_partition(parts, 97);
    }
}

TEST(Bisect, BalancesTheWeightToOneSpotACut) {
  const Coordinates c = random_points(2000, 2, 10);
  std::vector<double> weight(2000);
  RandomSequence random({11, 0, Purpose::simulation}, 0);
  for (double& value : weight) value = 1 + 9 * random.uniform();
  const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
  for (const int n_tiles : {2, 3, 6, 16}) {
    for (const Indices& part : bisect(c, weight, n_tiles)) {
      double of_part = 0;
      for (const int i : part) of_part += weight[i];

      // Each of at most five cuts misses its share by half a spot's weight (10 at most).
      EXPECT_NEAR(of_part, total / n_tiles, 5 * 5) << n_tiles << " tiles";
    }
  }
}

TEST(Bisect, CutsAcrossTheLongestAxisIntoConnectedParts) {
  Coordinates c;
  for (int i = 0; i < 100; ++i) c.values.insert(c.values.end(), {i * 7 % 100 * 1.0, i % 2 * 1.0});

  const auto parts = bisect(c, std::vector<double>(100, 1), 4);

  for (int k = 0; k < 4; ++k)
    for (const int i : parts[k]) EXPECT_EQ(static_cast<int>(c.spot(i)[0]) / 25, k);
}

TEST(Bisect, GivesEveryTileASpotWhereWeightsOrPlacesAreExtreme) {
  const Coordinates at_one_place{2, std::vector<double>(20, 3)};
  expect_partition(bisect(at_one_place, std::vector<double>(10, 1), 7), 10);

  std::vector<double> weight(10, 1);
  weight[4] = 1e9;
  expect_partition(bisect(random_points(10, 2, 1), weight, 10), 10);
  expect_partition(bisect(random_points(10, 2, 1), weight, 4), 10);
}

TEST(Bisect, RefusesMoreTilesThanSpotsAndFewerThanOne) {
  const Coordinates c = random_points(3, 2, 1);
  const std::vector<double> weight(3, 1);

  EXPECT_EQ(message_of([&] { bisect(c, weight, 4); }),
            "compute.tiles = 4 (must lie in 1 .. number of spots = 3)");
  EXPECT_THROW(bisect(c, weight, 0), InputError);
}

}  // namespace
}  // namespace stamarker::test
