#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "cluster/clustering.hpp"
#include "cluster/consensus.hpp"
#include "support/golden.hpp"

namespace stamarker {
namespace {

struct Labels {
  int n_models = 0, n_spots = 0;
  std::vector<std::int32_t> values;  // [n_models, n_spots]

  std::int32_t at(int m, int i) const { return values[static_cast<std::size_t>(m) * n_spots + i]; }
};

/// Every model's labels are the same blocks of spots with a share of them drawn at random.
Labels noisy_labels(int n_models, int n_spots, int n_clusters, double noise, std::uint32_t seed) {
  RandomSequence random({seed, 0, Purpose::simulation}, 0);
  Labels labels{n_models, n_spots, {}};
  for (int m = 0; m < n_models; ++m)
    for (int i = 0; i < n_spots; ++i)
      labels.values.push_back(static_cast<std::int32_t>(
          random.uniform() < noise ? random.below(n_clusters)
                                   : static_cast<std::int64_t>(i) * n_clusters / n_spots));
  return labels;
}

/// Average linkage on rows of the co-association matrix as the definition says, without tuples or
/// weights: O(n^3). Returns the merge heights and the partition into n_clusters.
struct Direct {
  std::vector<double> heights;
  std::vector<std::int32_t> labels;
};

Direct direct_consensus(const Labels& l, int n_clusters) {
  const int n = l.n_spots;
  std::vector<std::vector<double>> c(n, std::vector<double>(n, 0)), d = c;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      for (int m = 0; m < l.n_models; ++m) c[i][j] += (l.at(m, i) == l.at(m, j)) / double(l.n_models);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int k = 0; k < n; ++k) sum += (c[i][k] - c[j][k]) * (c[i][k] - c[j][k]);
      d[i][j] = std::sqrt(sum);
    }
  std::vector<std::vector<int>> groups(n);
  for (int i = 0; i < n; ++i) groups[i] = {i};
  Direct result;
  while (groups.size() > 1) {
    if (static_cast<int>(groups.size()) == n_clusters) {
      result.labels.resize(n);
      for (std::size_t g = 0; g < groups.size(); ++g)
        for (const int i : groups[g]) result.labels[i] = static_cast<std::int32_t>(g);
    }
    std::size_t at_a = 0, at_b = 1;
    double least = INFINITY;
    for (std::size_t a = 0; a < groups.size(); ++a)
      for (std::size_t b = a + 1; b < groups.size(); ++b) {
        double sum = 0;
        for (const int i : groups[a])
          for (const int j : groups[b]) sum += d[i][j];
        sum /= static_cast<double>(groups[a].size() * groups[b].size());
        if (sum < least) {
          least = sum;
          at_a = a;
          at_b = b;
        }
      }
    result.heights.push_back(least);
    groups[at_a].insert(groups[at_a].end(), groups[at_b].begin(), groups[at_b].end());
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(at_b));
  }
  return result;
}

TEST(Consensus, EqualsAverageLinkageOnRowsOfTheCoassociationMatrix) {
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    const Labels labels = noisy_labels(5, 40, 4, 0.25, seed);

    const Consensus found = consensus(labels.values, 5, 4, {});
    const Direct expected = direct_consensus(labels, 4);

    EXPECT_EQ(adjusted_rand_index(found.domain, expected.labels), 1) << "seed " << seed;
    const auto heights = found.heights();
    ASSERT_LE(heights.size(), expected.heights.size());
    for (std::size_t k = 0; k < heights.size(); ++k) {  // the spots' merges at 0 come before
      const std::size_t at = k + expected.heights.size() - heights.size();
      EXPECT_NEAR(heights[k], expected.heights[at], 40 * 40 * 1e-15 * expected.heights.back());
    }
    for (std::size_t k = 0; k < expected.heights.size() - heights.size(); ++k)
      EXPECT_NEAR(expected.heights[k], 0, 1e-6);  // sqrt of rounding errors of 1e-15
  }
}

class ConsensusGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(ConsensusGolden, EqualsScipy) {
  STM_NEEDS_SHARED("golden/consensus_svg.h5");
  const auto file = h5::open_to_read((test::shared_folder() / "golden/consensus_svg.h5").string());
  const std::string group = GetParam() + "/";
  const auto shape = h5::shape_of(file, group + "labels");
  const auto labels = h5::read<std::int32_t>(file, group + "labels");
  const int n_models = static_cast<int>(shape[0]);
  const h5::Group opened(H5Gopen2(file, group.c_str(), H5P_DEFAULT));

  for (const std::string& name : h5::names_in(opened)) {
    if (!name.starts_with("consensus_k")) continue;
    const int k = std::stoi(name.substr(11));
    const auto expected = h5::read<std::int32_t>(file, group + name);

    const Consensus found = consensus(labels, n_models, k, {});

    EXPECT_EQ(adjusted_rand_index(found.domain, expected), 1) << name;
    EXPECT_EQ(found.n_domains, k);
    // scipy works on differences of rows: squared distances carry n_spots rounding errors.
    const auto heights = found.heights();
    const auto last30 = h5::read<double>(file, group + "merge_heights_last30");
    const double tolerance = static_cast<double>(shape[1]) * 2.3e-16 * last30.back();
    for (std::size_t b = 1; b <= std::min(heights.size(), last30.size()); ++b)
      EXPECT_NEAR(heights[heights.size() - b], last30[last30.size() - b], tolerance + 1e-12) << b;
  }
}
INSTANTIATE_TEST_SUITE_P(Golden, ConsensusGolden,
                         ::testing::Values("all_equal", "dlpfc_151507_public", "noise_40_percent",
                                           "noise_5_percent", "one_model",
                                           "unequal_number_of_clusters"),
                         [](const auto& test) { return test.param; });

TEST(ConsensusBench, DISABLED_Large) {
  using Clock = std::chrono::steady_clock;
  for (auto [n, k, noise] : {std::tuple{25641, 7, 0.0045}, std::tuple{1000000, 10, 0.0015}}) {
    const Labels labels = noisy_labels(20, n, k, noise, 1);
    const auto start = Clock::now();
    const Consensus found = consensus(labels.values, 20, k, {});
    std::printf("%d spots: U = %ld joined %g %.3f s\n", n, static_cast<long>(found.n_tuples),
                found.joined_share, std::chrono::duration<double>(Clock::now() - start).count());
  }
}

}  // namespace
}  // namespace stamarker
