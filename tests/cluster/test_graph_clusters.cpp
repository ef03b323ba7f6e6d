#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "cluster/consensus.hpp"
#include "cluster/louvain.hpp"
#include "cluster/neighbors.hpp"
#include "support/golden.hpp"

namespace stamarker {
namespace {

class GraphGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(GraphGolden, Explore) {
  STM_NEEDS_SHARED("golden/clusters.h5");
  const auto file = h5::open_to_read((test::shared_folder() / "golden/clusters.h5").string());
  const std::string group = GetParam() + "/";
  const auto z = h5::read<float>(file, group + "Z");
  auto t0 = std::chrono::steady_clock::now();
  auto lap = [&] {
    auto t = std::chrono::steady_clock::now();
    double s = std::chrono::duration<double>(t - t0).count();
    t0 = t;
    return s;
  };
  const auto g = neighbor_graph(z, 30, 15);
  std::printf("knn %.3f s\n", lap());
  EXPECT_EQ(g.neighbor, h5::read<std::int32_t>(file, group + "neighbors15/indices"));
  EXPECT_EQ(g.row_start, h5::read<std::int64_t>(file, group + "neighbors15/indptr"));
  for (std::string r : {"0.3", "0.6", "1.0"}) {
    auto q = h5::read<double>(file, group + "louvain_resolution_" + r + "/quality");
    auto l = h5::read<std::int32_t>(file, group + "louvain_resolution_" + r + "/label");
    auto lq = h5::read<double>(file, group + "louvain_resolution_" + r + "/leiden_quality");
    EXPECT_NEAR(modularity_quality(g, std::span(l).subspan(0, g.n_points()), std::stod(r)), q[0], 1e-6);
    std::ranges::sort(q);
    std::printf("res %s: package median %.1f best %.1f leiden %.1f\n", r.c_str(), q[2], q[4], lq[0]);
    for (int n : {1, 3, 10}) {
      lap();
      auto a = louvain(g, std::stod(r), n, {0, 0, Purpose::clustering});
      double ta = lap();
      auto b = leiden(g, std::stod(r), n, {0, 0, Purpose::clustering});
      double tb = lap();
      std::printf("  n %d louvain %.4f%% (%d) %.3f s   leiden %.4f%% (%d) %.3f s\n", n, 100 * (a.quality / q[2] - 1), a.n_clusters, ta, 100 * (b.quality / q[2] - 1), b.n_clusters, tb);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Golden, GraphGolden,
                         ::testing::Values("dlpfc_151673_model0", "starmap_by3_model0", "starmap_by3_model1"),
                         [](const auto& test) { return test.param; });
}
}
