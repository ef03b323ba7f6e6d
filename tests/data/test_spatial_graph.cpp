#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/spatial_graph.hpp"
#include "random_points.hpp"
#include "support/message_of.hpp"

namespace stamarker::test {
namespace {

constexpr double any_distance = std::numeric_limits<double>::infinity();

/// The rows by comparing all pairs: j chooses, in order of (distance, index), up to `most` spots
/// closer than `radius`.
std::vector<std::vector<std::int32_t>> rows_by_all_pairs(const Coordinates& c,
                                                         const std::vector<std::int32_t>& section,
                                                         double radius, int most) {
  std::vector<std::vector<std::int32_t>> rows(c.n_spots());
  for (int j = 0; j < c.n_spots(); ++j) {
    std::vector<std::pair<double, std::int32_t>> others;
    for (int i = 0; i < c.n_spots(); ++i) {
      double squares = 0;
      for (int d = 0; d < c.n_dims; ++d)
        squares += (c.spot(i)[d] - c.spot(j)[d]) * (c.spot(i)[d] - c.spot(j)[d]);
      if (i != j && section[i] == section[j] && std::sqrt(squares) < radius)
        others.emplace_back(squares, i);
    }
    std::sort(others.begin(), others.end());
    others.resize(std::min(others.size(), static_cast<std::size_t>(most)));
    for (const auto& [distance, i] : others) rows[i].push_back(j);
    rows[j].push_back(j);
  }
  for (auto& row : rows) std::sort(row.begin(), row.end());
  return rows;
}

void expect_rows(const SpatialGraph& graph, const std::vector<std::vector<std::int32_t>>& wanted) {
  ASSERT_EQ(graph.n_spots(), static_cast<int>(wanted.size()));
  for (int i = 0; i < graph.n_spots(); ++i)
    EXPECT_EQ(std::vector(graph.source.begin() + graph.row_start[i],
                          graph.source.begin() + graph.row_start[i + 1]),
              wanted[i])
        << "row " << i;
}

/// One of several ranks, which are asked one after another, the first as the last.
class OneOfRanks : public SearchRanks {
 public:
  OneOfRanks(int rank, std::vector<std::vector<double>>& found) : rank_(rank), found_(found) {}
  int rank() const override { return rank_; }
  int n_ranks() const override { return 3; }
  std::vector<std::int32_t> on_first(std::vector<std::int32_t> mine) const override {
    return joined(std::move(mine));
  }
  std::vector<double> on_first(std::vector<double> mine) const override {
    return joined(std::move(mine));
  }

 private:
  template <class T>
  std::vector<T> joined(std::vector<T> mine) const {
    if (static_cast<int>(found_.size()) <= n_calls_) found_.emplace_back();
    std::vector<double>& others = found_[n_calls_++];
    if (rank_ > 0) {
      others.insert(others.begin(), mine.begin(), mine.end());
      return {};
    }
    for (const double value : others) mine.push_back(static_cast<T>(value));
    return mine;
  }

  int rank_;
  std::vector<std::vector<double>>& found_;  // of the other ranks, of each call
  mutable int n_calls_ = 0;
};

double mean_neighbors(const Coordinates& c) {
  const auto section = one_section(c);
  return summary_of(automatic_graph({c, section}, 50).graph).mean;
}

/// Visium's array: rows sqrt(3)/2 apart, every second one moved by half a step; in pixels, so
/// rounded to integers, which moves spots by up to 0.7 % of their distance.
Coordinates hexagonal_pixels(int n_rows, int n_columns) {
  Coordinates c;
  for (int r = 0; r < n_rows; ++r)
    for (int k = 0; k < n_columns; ++k) {
      c.values.push_back(std::round(137 * (k + 0.5 * (r % 2))));
      c.values.push_back(std::round(137 * r * std::sqrt(0.75)));
    }
  return c;
}

TEST(RadiusGraph, MatchesAllPairsInTwoAndThreeDimensionsAndSeveralSections) {
  for (const int n_dims : {2, 3})
    for (const int n_sections : {1, 3}) {
      const Coordinates c = random_points(211, n_dims, 5);
      std::vector<std::int32_t> section(c.n_spots());
      for (int i = 0; i < c.n_spots(); ++i) section[i] = i % n_sections;
      for (const double radius : {0.01, 0.1, 0.3})
        for (const int most : {1, 4, 50}) {
          const SpatialGraph graph = radius_graph({c, section}, radius, most);

          expect_rows(graph, rows_by_all_pairs(c, section, radius, most));
        }
    }
}

TEST(RadiusGraph, GivesTiesAtTheLastPlaceToTheLowerIndex) {
  for (const int n_dims : {2, 3}) {
    const Coordinates c = lattice(n_dims == 2 ? 17 : 6, n_dims);
    for (const int most : {1, 3, 5})
      expect_rows(radius_graph({c, one_section(c)}, 2.5, most),
                  rows_by_all_pairs(c, one_section(c), 2.5, most));
  }
}

TEST(RadiusGraph, LeavesOutSpotsAtTheRadiusItself) {
  const Coordinates c = lattice(5, 2);

  EXPECT_EQ(summary_of(radius_graph({c, one_section(c)}, 1, 50)).max, 0);
  EXPECT_EQ(summary_of(radius_graph({c, one_section(c)}, 1.001, 50)).max, 4);
}

TEST(RadiusGraph, JoinsSpotsAtOnePlaceBothWays) {
  const Coordinates c{2, {0, 0, 5, 5, 0, 0, 0, 0}};

  expect_rows(radius_graph({c, one_section(c)}, 1, 50), {{0, 2, 3}, {1}, {0, 2, 3}, {0, 2, 3}});
}

TEST(RadiusGraph, HoldsEuclideanDistances) {
  const Coordinates c{2, {0, 0, 3, 4}};

  const SpatialGraph graph = radius_graph({c, one_section(c)}, 6, 50);

  EXPECT_EQ(graph.distance, (std::vector<float>{0, 5, 5, 0}));
}

TEST(NearestGraph, MatchesAllPairsAlsoWhereASectionIsSmallerThanK) {
  const Coordinates c = random_points(101, 2, 6);
  std::vector<std::int32_t> section(c.n_spots());
  for (int i = 0; i < c.n_spots(); ++i) section[i] = i < 3 ? 7 : 2;
  for (const int k : {1, 6, 15}) {
    const SpatialGraph graph = nearest_graph({c, section}, k);

    expect_rows(graph, rows_by_all_pairs(c, section, any_distance, k));
  }
}

TEST(AutomaticRadius, TakesTheRingOfSixOfAHexagonalGrid) {
  const Coordinates c = hexagonal_pixels(40, 30);
  const auto section = one_section(c);

  const SpatialGraph graph = automatic_graph({c, section}, 50).graph;

  for (int r = 1; r < 39; ++r)
    for (int k = 1; k < 29; ++k) {
      const int i = r * 30 + k;
      ASSERT_EQ(graph.row_start[i + 1] - graph.row_start[i], 7) << "row " << r << " column " << k;
    }
  EXPECT_EQ(summary_of(graph).max, 6);
}

/// On a square lattice with the diagonals, on a cubic one without.
TEST(AutomaticRadius, TakesEightNeighborsOfASquareLatticeAndSixOfACubicOne) {
  for (const int n_dims : {2, 3}) {
    const Coordinates c = lattice(n_dims == 2 ? 30 : 10, n_dims);

    const GraphSummary summary = summary_of(automatic_graph({c, one_section(c)}, 50).graph);

    EXPECT_EQ(summary.max, n_dims == 2 ? 8 : 6);
    EXPECT_NEAR(summary.mean, n_dims == 2 ? 7.6 : 5.4, 0.01);  // less at the border
    EXPECT_EQ(summary.n_isolated, 0);
  }
}

/// Spots of ST lie up to a tenth of their distance off the lattice, and some are not in tissue.
TEST(AutomaticRadius, GivesAboutSixNeighborsOnAnUntidySquareLatticeWithHoles) {
  const Coordinates whole = lattice(25, 2), shift = random_points(625, 2, 8);
  Coordinates c;
  for (int i = 0; i < whole.n_spots(); ++i)
    if (i % 7 != 3)
      for (int d = 0; d < 2; ++d) c.values.push_back(whole.spot(i)[d] + 0.2 * shift.spot(i)[d]);

  EXPECT_NEAR(mean_neighbors(c), 6.5, 0.5);
}

TEST(AutomaticRadius, IsThatOfEachSectionByItself) {
  const Coordinates small = hexagonal_pixels(20, 15);
  Coordinates both = small;
  for (const double value : small.values) both.values.push_back(2.1 * value);
  std::vector<std::int32_t> section(both.n_spots(), 0);
  std::fill(section.begin() + small.n_spots(), section.end(), 2);

  const ConnectedSpots got = automatic_graph({both, section}, 50);

  ASSERT_EQ(got.radius.size(), 3u);
  EXPECT_EQ(got.radius[0], automatic_radii({small, one_section(small)}).front());
  EXPECT_EQ(got.radius[1], 0);  // has no spots
  EXPECT_NEAR(got.radius[2], 2.1 * got.radius[0], 1e-9 * got.radius[2]);
  const auto summaries = summaries_of(got.graph, section, 3);
  for (const int s : {0, 2}) {
    EXPECT_EQ(summaries[s].n_spots, small.n_spots());
    EXPECT_EQ(summaries[s].max, 6);
    EXPECT_GT(summaries[s].mean, 5);
    EXPECT_EQ(summaries[s].n_isolated, 0);
  }
}

/// Two thirds of the spots in a tenth of the square's side, as clusters of cells are.
Coordinates uneven_points() {
  Coordinates c = random_points(900, 2, 12);
  for (int i = 0; i < 600; ++i)
    for (int d = 0; d < 2; ++d) c.values[2 * i + d] *= 0.05;
  return c;
}

TEST(AutomaticRadius, GivesWayToTheSixNearestWhereNoRadiusFitsTheDensity) {
  const Coordinates c = uneven_points();
  const auto section = one_section(c);
  const double radius = automatic_radii({c, section}).front();
  const GraphSummary by_radius = summary_of(radius_graph({c, section}, radius, 50));
  ASSERT_TRUE(by_radius.is_torn());

  const ConnectedSpots got = automatic_graph({c, section}, 50);

  EXPECT_EQ(got.radius, std::vector<double>{0});
  EXPECT_EQ(got.n_nearest, 6);
  const GraphSummary summary = summary_of(got.graph);
  EXPECT_EQ(summary.min, 6);
  EXPECT_EQ(summary.max, 6);
  EXPECT_LT(summary.n_isolated, 9);  // chosen by none: below 1 %
  EXPECT_EQ(automatic_graph({c, section}, 4).n_nearest, 4);
}

/// The even section keeps the graph that it has alone.
TEST(AutomaticRadius, LeavesSectionsAloneBesideAnUnevenOne) {
  const Coordinates even = hexagonal_pixels(20, 15), uneven = uneven_points();
  Coordinates both = even;
  both.values.insert(both.values.end(), uneven.values.begin(), uneven.values.end());
  std::vector<std::int32_t> section(both.n_spots(), 1);
  std::fill(section.begin(), section.begin() + even.n_spots(), 0);
  const ConnectedSpots alone = automatic_graph({even, one_section(even)}, 50);

  const ConnectedSpots got = automatic_graph({both, section}, 50);

  EXPECT_EQ(got.radius, (std::vector<double>{alone.radius.front(), 0}));
  const auto n_edges = static_cast<std::ptrdiff_t>(alone.graph.n_edges());
  EXPECT_EQ(std::vector(got.graph.source.begin(), got.graph.source.begin() + n_edges),
            alone.graph.source);
  EXPECT_EQ(summaries_of(got.graph, section, 2)[1].mean, 6);
}

TEST(AutomaticRadius, GivesSixNeighboursOnAverageWhereSpotsAreScattered) {
  for (const int n_dims : {2, 3})
    EXPECT_NEAR(mean_neighbors(random_points(3000, n_dims, 3)), 6, 0.1);
}

TEST(AutomaticRadius, FollowsTheUnitOfTheCoordinates) {
  Coordinates c = random_points(500, 2, 4);
  const double radius = automatic_radii({c, one_section(c)}).front();
  for (double& value : c.values) value *= 1024;

  EXPECT_DOUBLE_EQ(automatic_radii({c, one_section(c)}).front(), 1024 * radius);
}

TEST(AutomaticRadius, JoinsAsFewAsTwoSpots) {
  EXPECT_EQ(mean_neighbors({2, {0, 0, 10, 0}}), 1);
  EXPECT_EQ(mean_neighbors({2, {0, 0, 10, 0, 20, 0}}), 2);
  EXPECT_EQ(mean_neighbors({2, {1, 1, 1, 1}}), 0);
}

TEST(SpatialGraphErrors, NamesARadiusThatWorksWhereThereIsNoEdge) {
  const Coordinates c = lattice(9, 2);
  const auto section = one_section(c);
  const SpatialGraph graph = radius_graph({c, section}, 0.5, 50);

  const std::string message = message_of([&] { check_edges(graph, 0.5, {c, section}); });

  EXPECT_EQ(message,
            "prepare.rad_cutoff = 0.5 gives a graph without edges (no two spots are so close; use "
            "1.70711, which is what auto chooses)");
  EXPECT_NO_THROW(check_edges(radius_graph({c, section}, 1.70711, 50), 1.70711, {c, section}));
}

TEST(SpatialGraphErrors, NamesAutoWhereSectionsWantDifferentRadii) {
  const Coordinates c{2, {0, 0, 1, 0, 0, 0, 3, 0}};
  const std::vector<std::int32_t> section{0, 0, 1, 1};

  EXPECT_EQ(message_of([&] {
              check_edges(radius_graph({c, section}, 0.5, 50), 0.5, {c, section});
            }),
            "prepare.rad_cutoff = 0.5 gives a graph without edges (no two spots are so close; use "
            "auto, which chooses 1 to 3 by section)");
}

TEST(SpatialGraphErrors, RefusesSpotsThatAllLieAtOnePlace) {
  const Coordinates c{2, {1, 1, 2, 2}};
  const std::vector<std::int32_t> section{0, 1};

  EXPECT_NE(message_of([&] {
              check_edges(nearest_graph({c, section}, 6), 0, {c, section});
            }).find("each in a section of its own"),
            std::string::npos);
}

TEST(NeighborsOf, ListsWhatEachSpotOfABlockChoseWithoutItself) {
  const Coordinates c = random_points(57, 2, 9);
  const SpatialGraph graph = nearest_graph({c, one_section(c)}, 4);

  for (const Block rows : {Block{0, 57}, Block{13, 40}, Block{57, 57}}) {
    const SparseRows got = neighbors_of(graph, rows);

    ASSERT_EQ(got.n_rows, rows.size());
    EXPECT_EQ(got.n_cols, 57);
    for (int row = 0; row < got.n_rows; ++row) {
      EXPECT_EQ(got.row_start[row + 1] - got.row_start[row], 4);
      for (std::int64_t e = got.row_start[row]; e < got.row_start[row + 1]; ++e) {
        const std::int32_t chosen = got.column[e];
        const auto begin = graph.source.begin() + graph.row_start[chosen];
        const auto end = graph.source.begin() + graph.row_start[chosen + 1];
        const auto at = std::find(begin, end, rows.begin + row);
        ASSERT_NE(at, end) << chosen << " does not attend to " << rows.begin + row;
        EXPECT_EQ(got.value[e], graph.distance[at - graph.source.begin()]);
        EXPECT_NE(chosen, rows.begin + row);
      }
    }
  }
}

/// The last spot chooses the others, who are nearer to each other, and so attends to itself only.
TEST(GraphSummary, CountsTheNeighborsThatASpotChose) {
  const Coordinates c{2, {0, 0, 1, 0, 0, 1, 50, 0}};

  const GraphSummary summary = summary_of(nearest_graph({c, one_section(c)}, 2));

  EXPECT_EQ(summary.mean, 2);
  EXPECT_EQ(summary.min, 2);
  EXPECT_EQ(summary.max, 2);
  EXPECT_EQ(summary.n_isolated, 1);
}

TEST(GraphSummary, CountsNeighboursWithoutTheSpotItself) {
  const Coordinates c{2, {0, 0, 1, 0, 2, 0, 50, 0}};

  const GraphSummary summary = summary_of(radius_graph({c, one_section(c)}, 1.5, 50));

  EXPECT_EQ(summary.mean, 1);
  EXPECT_EQ(summary.min, 0);
  EXPECT_EQ(summary.max, 2);
  EXPECT_EQ(summary.n_isolated, 1);
}

}  // namespace
TEST(SpatialGraphTest, IsTheSameBySeveralRanks) {
  const Coordinates c = random_points(500, 2, 11);
  std::vector<std::int32_t> section(500);
  for (int i = 0; i < 500; ++i) section[i] = i < 100 ? 0 : 1 + i % 2;
  const SpatialGraph alone = radius_graph({c, section}, 0.1, 7);
  const std::vector<double> radii = automatic_radii({c, section});
  std::vector<std::vector<double>> of_graph, of_radii;
  SpatialGraph together;
  std::vector<double> radii_together;

  for (const int rank : {2, 1, 0}) {
    together = radius_graph({c, section, OneOfRanks(rank, of_graph)}, 0.1, 7);
    radii_together = automatic_radii({c, section, OneOfRanks(rank, of_radii)});
    EXPECT_EQ(together.n_spots(), rank == 0 ? 500 : 0);
  }

  EXPECT_EQ(together.row_start, alone.row_start);
  EXPECT_EQ(together.source, alone.source);
  EXPECT_EQ(together.distance, alone.distance);
  EXPECT_EQ(radii_together, radii);
}

}  // namespace stamarker::test
