#include <algorithm>
#include <cmath>
#include <limits>

#include "cluster/cluster_test.hpp"
#include "cluster/clustering.hpp"
#include "cluster/consensus.hpp"
#include "cluster/louvain.hpp"
#include "cluster/neighbors.hpp"
#include "support/golden.hpp"

namespace stamarker {
namespace {

using test::key;
using test::message_of;

class GraphGolden : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    STM_NEEDS_SHARED("golden/clusters.h5");
    const auto file = h5::open_to_read((test::shared_folder() / "golden/clusters.h5").string());
    const std::string group = GetParam() + "/";
    const auto z = h5::read<float>(file, group + "Z");
    graph = neighbor_graph(z, 30, 15, NeighborSearch::exact);
    indices = h5::read<std::int32_t>(file, group + "neighbors15/indices");
    indptr = h5::read<std::int64_t>(file, group + "neighbors15/indptr");
    for (const std::string resolution : {"0.3", "0.6", "1.0"}) {
      std::string run = group;
      run.append("louvain_resolution_").append(resolution);
      runs.push_back({std::stod(resolution), h5::read<double>(file, run + "/quality"),
                      h5::read<std::int32_t>(file, run + "/label"),
                      h5::read<double>(file, run + "/leiden_quality").front()});
    }
  }

  struct Run {
    double resolution;
    std::vector<double> quality;       // [5], of the louvain package
    std::vector<std::int32_t> labels;  // [5, n_spots]
    double leiden_quality;             // of the leidenalg package
  };
  NeighborGraph graph;
  std::vector<std::int32_t> indices;
  std::vector<std::int64_t> indptr;
  std::vector<Run> runs;
};

TEST_P(GraphGolden, TheGraphEqualsScanpys) {
  EXPECT_EQ(graph.neighbor, indices);
  EXPECT_EQ(graph.row_start, indptr);
}

TEST_P(GraphGolden, QualityOfTheLouvainPackagesLabelsIsTheirs) {
  const auto n = static_cast<std::size_t>(graph.n_points());
  for (const Run& run : runs)
    for (std::size_t r = 0; r < run.quality.size(); ++r)
      EXPECT_NEAR(
          modularity_quality(graph, std::span(run.labels).subspan(r * n, n), run.resolution),
          run.quality[r], 1e-12 * static_cast<double>(graph.neighbor.size()));
}

TEST_P(GraphGolden, LouvainReachesTheMedianOfTheLouvainPackage) {
  for (Run run : runs) {
    std::ranges::sort(run.quality);
    for (std::uint32_t seed = 0; seed < 2; ++seed) {
      const RandomKey of_seed{seed, 0, Purpose::clustering};

      const GraphClusters found = louvain(graph, run.resolution, 5, of_seed);

      EXPECT_GE(found.quality, run.quality[2] * (1 - 3e-3)) << "resolution " << run.resolution;
      EXPECT_EQ(found.quality, modularity_quality(graph, found.labels, run.resolution));
      EXPECT_EQ(found.n_clusters, std::ranges::max(found.labels) + 1);
    }
  }
}

TEST_P(GraphGolden, LeidenReachesTheLeidenalgPackage) {
  for (const Run& run : runs)
    EXPECT_GE(leiden(graph, run.resolution, 5, key).quality, run.leiden_quality * (1 - 3e-3))
        << "resolution " << run.resolution;
}

INSTANTIATE_TEST_SUITE_P(Golden, GraphGolden,
                         ::testing::Values("dlpfc_151673_model0", "starmap_by3_model0",
                                           "starmap_by3_model1"),
                         [](const auto& test) { return test.param; });

TEST(NearestPoints, EqualTheSortedDistances) {
  const int n = 521, n_dims = 7, k = 9;  // more than two blocks
  auto points = test::normal(n, n_dims, 2);
  for (float& x : points) x = std::round(4 * x) + 1000;  // many equal distances, an offset
  std::vector<std::int32_t> expected;
  std::vector<double> expected_distance;
  for (int i = 0; i < n; ++i) {
    std::vector<std::pair<double, std::int32_t>> all;
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int d = 0; d < n_dims; ++d) {
        const double difference =
            static_cast<double>(points[i * n_dims + d]) - points[j * n_dims + d];
        sum += difference * difference;
      }
      if (j != i) all.emplace_back(sum, j);
    }
    std::ranges::sort(all);
    for (int m = 0; m < k; ++m) {
      expected.push_back(all[m].second);
      expected_distance.push_back(std::sqrt(all[m].first));
    }
  }

  const NearestPoints found = nearest_points(points, n_dims, k);

  EXPECT_EQ(found.index, expected);
  EXPECT_EQ(found.distance, expected_distance);
}

TEST(ApproximateNearestPoints, MissFewAndAreTheSameOnThreads) {
  const int n = 6000, n_dims = 17, k = 14;
  const auto points = test::points_around_corners(n, n_dims, 5, 3, 12);
  const auto run = [&] { return approximate_nearest_points(points, n_dims, k); };

  const NearestPoints found = test::on_threads(1, run), three = test::on_threads(3, run);
  const NearestPoints exact = nearest_points(points, n_dims, k);

  EXPECT_EQ(found.index, three.index);
  EXPECT_EQ(found.distance, three.distance);
  std::size_t n_right = 0;
  for (std::size_t first = 0; first < found.index.size(); first += k) {
    const auto row = std::span(found.index).subspan(first, k);
    const auto expected = std::span(exact.index).subspan(first, k);
    ASSERT_EQ(std::ranges::count(row, static_cast<std::int32_t>(first / k)), 0);
    for (const std::int32_t j : row) {
      ASSERT_EQ(std::ranges::count(row, j), 1);
      n_right += std::ranges::count(expected, j);
    }
  }
  const double recall = static_cast<double>(n_right) / static_cast<double>(found.index.size());
  EXPECT_GT(recall, 0.95);
  EXPECT_LT(recall, 1);  // else nothing here was searched approximately
  EXPECT_DOUBLE_EQ(recall_on_sample(points, n_dims, found, n), recall);
  EXPECT_NEAR(recall_on_sample(points, n_dims, found, 1000), recall, 0.01);
  EXPECT_EQ(recall_on_sample(points, n_dims, exact, 100), 1);
}

TEST(ApproximateNearestPoints, EveryPointHasItsNumberWherePointsCoincide) {
  const int n = 900, k = 20;
  std::vector<float> points;  // three places, 300 points each
  for (int i = 0; i < n; ++i)
    for (int d = 0; d < 4; ++d) points.push_back(d == i % 3 ? 5.0f : 0.0f);

  const NearestPoints found = approximate_nearest_points(points, 4, k);

  for (int i = 0; i < n; ++i)
    for (int m = 0; m < k; ++m) {
      const std::int32_t j = found.index[i * k + m];
      ASSERT_NE(j, i);
      ASSERT_NEAR(found.distance[i * k + m], i % 3 == j % 3 ? 0 : std::sqrt(50.0), 1e-12);
    }
}

TEST(NeighborGraph, ApproximateSearchGivesNearlyTheSameGraphAndSaysHowNearly) {
  const auto points = test::points_around_corners(5000, 10, 4, 6, 3);

  const NeighborGraph exact = neighbor_graph(points, 10, 12, NeighborSearch::exact);
  const NeighborGraph graph = neighbor_graph(points, 10, 12, NeighborSearch::approximate);

  EXPECT_EQ(exact.recall, 1);
  EXPECT_GT(graph.recall, 0.95);
  const auto n_exact = static_cast<double>(exact.neighbor.size());
  EXPECT_NEAR(static_cast<double>(graph.neighbor.size()), n_exact, 0.05 * n_exact);
  EXPECT_EQ(search_for(25000), NeighborSearch::exact);
  EXPECT_EQ(search_for(25001), NeighborSearch::approximate);
  EXPECT_EQ(search_for(1000000), NeighborSearch::approximate);
}

TEST(NeighborGraph, IsSymmetricWithoutSelfLoopsAndTheSameOnThreads) {
  const auto points = test::points_around_corners(700, 5, 4, 6, 3);
  const auto run = [&] { return neighbor_graph(points, 5, 12, NeighborSearch::exact); };

  const NeighborGraph graph = test::on_threads(1, run);

  EXPECT_EQ(graph.neighbor, test::on_threads(3, run).neighbor);
  for (int i = 0; i < graph.n_points(); ++i) {
    const auto row = std::span(graph.neighbor)
                         .subspan(graph.row_start[i], graph.row_start[i + 1] - graph.row_start[i]);
    EXPECT_GE(row.size(), 11u);
    EXPECT_TRUE(std::ranges::is_sorted(row));
    for (const std::int32_t j : row) {
      EXPECT_NE(i, j);
      const auto back =
          std::span(graph.neighbor)
              .subspan(graph.row_start[j], graph.row_start[j + 1] - graph.row_start[j]);
      EXPECT_TRUE(std::ranges::binary_search(back, i));
    }
  }
}

TEST(NeighborGraph, AFewPointsFarFromAllOthersKeepToThemselves) {
  // Six points within 0.01 of each other, 1000 from a cloud: exp(-1000 / sigma) is 0.
  auto points = test::normal(300, 2, 4);
  for (int k = 0; k < 12; ++k) points[k] = 0.001f * points[k] + (k % 2 == 0 ? 1000.0f : 0.0f);

  const NeighborGraph graph = neighbor_graph(points, 2, 10, NeighborSearch::exact);

  EXPECT_EQ(graph.row_start[6], 6 * 5);
  EXPECT_LT(*std::max_element(graph.neighbor.begin(), graph.neighbor.begin() + 30), 6);
}

TEST(NeighborGraph, RefusesWhatItCannotMeasure) {
  const auto points = test::normal(20, 2, 4);
  auto broken = points;
  broken[7] = std::numeric_limits<float>::infinity();

  EXPECT_NE(message_of([&] {
              neighbor_graph(points, 2, 21, NeighborSearch::exact);
            }).find("n_neighbors = 21"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              neighbor_graph(points, 2, 1, NeighborSearch::exact);
            }).find("n_neighbors = 1"),
            std::string::npos);
  EXPECT_NE(
      message_of([&] { neighbor_graph(broken, 2, 5, NeighborSearch::exact); }).find("not finite"),
      std::string::npos);
}

/// Two complete graphs of n points, joined by one edge.
NeighborGraph two_cliques(int n) {
  NeighborGraph graph;
  for (int i = 0; i < 2 * n; ++i) {
    for (int j = 0; j < 2 * n; ++j)
      if (j != i && (i / n == j / n || (i + j == 2 * n - 1 && std::abs(i - j) == 1)))
        graph.neighbor.push_back(j);
    graph.row_start.push_back(static_cast<std::int64_t>(graph.neighbor.size()));
  }
  return graph;
}

TEST(GraphClusters, TwoCliquesAreTwoClusters) {
  const NeighborGraph graph = two_cliques(8);
  // 2 * 28 * 2 directed edges inside, 2 between; both degree sums 57.
  const double expected = 112 - 0.6 * 2 * 57 * 57 / 114.0;

  for (const auto method : {louvain, leiden}) {
    const GraphClusters found = method(graph, 0.6, 3, key);

    EXPECT_EQ(found.n_clusters, 2);
    EXPECT_NEAR(found.quality, expected, 1e-12);
    for (int i = 0; i < 16; ++i) EXPECT_EQ(found.labels[i], i / 8);
  }
}

TEST(GraphClusters, MovingPointsEndsWhereNoSingleMoveGains) {
  const auto points = test::points_around_corners(400, 4, 3, 3, 5);
  const NeighborGraph graph = neighbor_graph(points, 4, 10, NeighborSearch::exact);
  auto labels = test::corner_of_points(400, 7);  // unrelated to the points' own three groups
  RandomSequence random(key, 0);
  const double before = modularity_quality(graph, labels, 0.8);

  move_points(graph, 0.8, random, labels);

  const double after = modularity_quality(graph, labels, 0.8);
  EXPECT_GT(after, before);
  for (int i = 0; i < 400; ++i)
    for (std::int64_t e = graph.row_start[i]; e < graph.row_start[i + 1]; ++e) {
      auto moved = labels;
      moved[i] = labels[graph.neighbor[e]];
      EXPECT_LE(modularity_quality(graph, moved, 0.8), after + 1e-6);
    }
}

TEST(GraphClusters, ASeedGivesTheSameLabelsAgainAndAnotherSeedOthers) {
  const auto points = test::normal(600, 5, 6);  // no groups: many near-optimal partitions
  const NeighborGraph graph = neighbor_graph(points, 5, 8, NeighborSearch::exact);

  for (const auto method : {louvain, leiden}) {
    const auto first = method(graph, 1, 1, {7, 3, Purpose::clustering});
    method(graph, 1, 1, {9, 0, Purpose::clustering});  // leaves nothing behind in igraph

    EXPECT_EQ(first.labels, method(graph, 1, 1, {7, 3, Purpose::clustering}).labels);
    EXPECT_NE(first.labels, method(graph, 1, 1, {7, 4, Purpose::clustering}).labels);
    EXPECT_NE(first.labels, method(graph, 1, 1, {8, 3, Purpose::clustering}).labels);
    EXPECT_GE(method(graph, 1, 6, {7, 3, Purpose::clustering}).quality, first.quality);
  }
}

TEST(Cluster, EveryMethodFindsSeparateGroupsAndNumbersThemBySize) {
  // Groups of 60, 50 and 40 points, 25 apart.
  std::vector<float> points = test::normal(150, 4, 8);
  std::vector<std::int32_t> expected;
  for (int i = 0; i < 150; ++i) {
    const int group = i < 40 ? 2 : i < 100 ? 0 : 1;
    points[i * 4 + group] += 25;
    expected.push_back(group);
  }

  for (const auto method : {ClusterMethod::mclust, ClusterMethod::louvain, ClusterMethod::leiden}) {
    ClusteringOptions options;
    options.method = method;
    options.resolution = 0.1;

    EXPECT_EQ(cluster(points, 4, options, 0, 0, 3).labels, expected);
  }
}

TEST(Cluster, OptionsOutOfRangeAreNamed) {
  const auto error_of = [](auto change) {
    ClusteringOptions options;
    change(options);
    return message_of([&] { options.validate(); });
  };

  EXPECT_EQ(error_of([](auto&) {}), "no InputError");
  EXPECT_NE(error_of([](auto& o) { o.n_components = -1; }).find("clustering.n_components = -1"),
            std::string::npos);
  EXPECT_NE(error_of([](auto& o) { o.n_init = 0; }).find("clustering.n_init = 0"),
            std::string::npos);
  EXPECT_NE(error_of([](auto& o) { o.resolution = 0; }).find("clustering.resolution = 0"),
            std::string::npos);
  EXPECT_NE(error_of([](auto& o) { o.n_neighbors = 1; }).find("clustering.n_neighbors = 1"),
            std::string::npos);
}

}  // namespace
}  // namespace stamarker
