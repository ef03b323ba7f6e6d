#include <algorithm>
#include <cmath>
#include <limits>

#include "cluster/cluster_test.hpp"
#include "cluster/clustering.hpp"
#include "cluster/consensus.hpp"
#include "support/golden.hpp"

namespace stamarker {
namespace {

using test::message_of;
using test::on_threads;

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

/// n_tuples tuples of labels, tuple a held by a random number of spots.
Labels repeated_tuples(int n_models, int n_tuples, std::uint32_t seed) {
  RandomSequence random({seed, 0, Purpose::simulation}, 0);
  std::vector<std::vector<std::int32_t>> of_model(n_models);
  for (int a = 0; a < n_tuples; ++a) {
    const std::uint32_t n_spots = 1 + random.below(9);
    for (auto& labels : of_model)
      labels.insert(labels.end(), n_spots, static_cast<std::int32_t>(random.below(4)));
  }
  Labels labels{n_models, static_cast<int>(of_model[0].size()), {}};
  for (const auto& of_one : of_model)
    labels.values.insert(labels.values.end(), of_one.begin(), of_one.end());
  return labels;
}

/// Average linkage of the rows of the co-association matrix as the definition says, spot by spot.
struct Direct {
  std::vector<double> heights;
  std::vector<std::int32_t> labels;  // partition into n_clusters
  bool has_tie = false;              // two different merges above 0 were equally low
};

std::vector<std::vector<double>> distances_of_rows(const Labels& l) {
  const int n = l.n_spots;
  std::vector<std::vector<double>> c(n, std::vector<double>(n, 0)), d = c;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      for (int m = 0; m < l.n_models; ++m)
        if (l.at(m, i) == l.at(m, j)) c[i][j] += 1.0 / l.n_models;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int k = 0; k < n; ++k) sum += (c[i][k] - c[j][k]) * (c[i][k] - c[j][k]);
      d[i][j] = std::sqrt(sum);
    }
  return d;
}

Direct direct_consensus(const Labels& l, std::size_t n_clusters) {
  const auto d = distances_of_rows(l);
  std::vector<std::vector<int>> groups(l.n_spots);
  for (int i = 0; i < l.n_spots; ++i) groups[i] = {i};
  Direct result;
  result.labels.resize(l.n_spots);
  while (groups.size() > 1) {
    for (std::size_t g = 0; groups.size() == n_clusters && g < n_clusters; ++g)
      for (const int i : groups[g]) result.labels[i] = static_cast<std::int32_t>(g);
    std::size_t at_a = 0, at_b = 1;
    double least = std::numeric_limits<double>::infinity(), second = least;
    for (std::size_t a = 0; a < groups.size(); ++a)
      for (std::size_t b = a + 1; b < groups.size(); ++b) {
        double sum = 0;
        for (const int i : groups[a])
          for (const int j : groups[b]) sum += d[i][j];
        sum /= static_cast<double>(groups[a].size() * groups[b].size());
        if (sum < least) {
          at_a = a;
          at_b = b;
        }
        second = std::min(second, std::max(sum, least));
        least = std::min(least, sum);
      }
    result.has_tie = result.has_tie || (least > 1e-6 && second < least + 1e-9);
    result.heights.push_back(least);
    groups[at_a].insert(groups[at_a].end(), groups[at_b].begin(), groups[at_b].end());
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(at_b));
  }
  return result;
}

TEST(Consensus, EqualsAverageLinkageOnRowsOfTheCoassociationMatrix) {
  int n_compared = 0;
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    const Labels labels = repeated_tuples(6, 14, seed);
    const Direct expected = direct_consensus(labels, 4);
    if (expected.has_tie) continue;  // either merge is right
    ++n_compared;

    const Consensus found = consensus(labels.values, labels.n_models, 4, {});

    EXPECT_EQ(adjusted_rand_index(found.domain, expected.labels), 1) << "seed " << seed;
    const auto heights = found.heights();
    const std::size_t n_at_zero = expected.heights.size() - heights.size();
    // A squared distance sums n_spots terms; a height averages distances, none below 0.2.
    const double tolerance = labels.n_spots * 1e-15 * expected.heights.back() / 0.2;
    for (std::size_t k = 0; k < heights.size(); ++k)
      EXPECT_NEAR(heights[k], expected.heights[n_at_zero + k], tolerance);
    for (std::size_t k = 0; k < n_at_zero; ++k) EXPECT_NEAR(expected.heights[k], 0, 1e-6);
  }
  EXPECT_GE(n_compared, 10);
}

class ConsensusGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(ConsensusGolden, PartitionsAndHeightsEqualScipys) {
  STM_NEEDS_SHARED("golden/consensus_svg.h5");
  const auto file = h5::open_to_read((test::shared_folder() / "golden/consensus_svg.h5").string());
  const std::string group = GetParam() + "/";
  const auto shape = h5::shape_of(file, group + "labels");
  const auto labels = h5::read<std::int32_t>(file, group + "labels");
  const auto last30 = h5::read<double>(file, group + "merge_heights_last30");
  const h5::Group opened(H5Gopen2(file, group.c_str(), H5P_DEFAULT));
  int n_compared = 0;

  for (const std::string& name : h5::names_in(opened)) {
    if (!name.starts_with("consensus_k")) continue;
    const int k = std::stoi(name.substr(11));

    const Consensus found = consensus(labels, static_cast<int>(shape[0]), k, {});

    ++n_compared;
    EXPECT_EQ(found.n_domains, k);
    EXPECT_EQ(adjusted_rand_index(found.domain, h5::read<std::int32_t>(file, group + name)), 1)
        << name;
    // scipy sums n_spots squares for a squared distance; heights are averages of distances.
    const double tolerance = static_cast<double>(shape[1]) * 1e-15 * std::max(1.0, last30.back());
    const auto heights = found.heights();
    for (std::size_t b = 1; b <= std::min(heights.size(), last30.size()); ++b)
      EXPECT_NEAR(heights[heights.size() - b], last30[last30.size() - b], tolerance) << b;
  }
  EXPECT_GT(n_compared, 0);
}
INSTANTIATE_TEST_SUITE_P(Golden, ConsensusGolden,
                         ::testing::Values("all_equal", "dlpfc_151507_public", "noise_40_percent",
                                           "noise_5_percent", "one_model",
                                           "unequal_number_of_clusters"),
                         [](const auto& test) { return test.param; });

TEST(Consensus, DomainsAreNumberedByDecreasingSize) {
  const Labels labels = noisy_labels(7, 500, 6, 0.1, 3);

  const Consensus found = consensus(labels.values, 7, 6, {});

  std::vector<std::int64_t> size(found.n_domains, 0);
  for (const std::int32_t domain : found.domain) ++size[domain];
  EXPECT_EQ(found.n_domains, 6);
  EXPECT_TRUE(std::ranges::is_sorted(size, std::greater{}));
  EXPECT_GT(size.back(), 0);
}

TEST(Consensus, LinkageTableNamesClustersAsScipyDoes) {
  const Labels labels = noisy_labels(6, 300, 4, 0.2, 5);

  const Consensus found = consensus(labels.values, 6, 4, {});

  const int n = found.n_leaves();
  ASSERT_EQ(found.n_tuples, n);
  std::vector<double> size(n, 0);
  std::vector<int> n_used(static_cast<std::size_t>(n) * 2, 0);
  for (const std::int32_t leaf : found.leaf) ++size[leaf];
  EXPECT_TRUE(std::ranges::is_sorted(size, std::greater{}));
  for (int k = 0; k + 1 < n; ++k) {
    const double* row = found.linkage.data() + 4 * static_cast<std::size_t>(k);
    ASSERT_LT(row[0], row[1]);
    ASSERT_LT(row[1], n + k);
    ++n_used[static_cast<int>(row[0])];
    ++n_used[static_cast<int>(row[1])];
    size.push_back(size[static_cast<int>(row[0])] + size[static_cast<int>(row[1])]);
    EXPECT_EQ(row[3], size.back());
  }
  EXPECT_EQ(size.back(), 300);
  EXPECT_EQ(std::ranges::count(n_used, 1), 2 * n - 2);  // each but the last is joined once
  EXPECT_TRUE(std::ranges::is_sorted(found.heights()));
}

TEST(Consensus, PermutedSpotsAndRenamedLabelsGiveThePermutedDomains) {
  // Ties are broken by the order of tuples; a section with unequal multiplicities has none.
  std::uint32_t seed = 0;
  while (direct_consensus(repeated_tuples(6, 14, seed), 4).has_tie) ++seed;
  const Labels labels = repeated_tuples(6, 14, seed);
  const auto order = test::permutation(labels.n_spots, 1);
  std::vector<std::int32_t> changed;
  for (int m = 0; m < labels.n_models; ++m)
    for (const std::int32_t i : order) changed.push_back(1000 - 7 * m - 3 * labels.at(m, i));

  const Consensus original = consensus(labels.values, 6, 4, {});
  const Consensus permuted = consensus(changed, 6, 4, {});

  EXPECT_EQ(adjusted_rand_index(test::rows_in_order(original.domain, order), permuted.domain), 1);
  EXPECT_EQ(original.n_tuples, permuted.n_tuples);
}

TEST(Consensus, RareTuplesJoinTheNearestOfTheMostFrequent) {
  const int n = 250, n_leaves = 20;
  const Labels labels = noisy_labels(8, n, 5, 0.1, 11);
  const auto distance = distances_of_rows(labels);
  const Consensus exact = consensus(labels.values, 8, 5, {});
  const ConsensusOptions options{.max_tuples = n_leaves, .refine = 0};

  const Consensus found = consensus(labels.values, 8, 5, options);

  EXPECT_EQ(found.n_tuples, exact.n_tuples);
  EXPECT_EQ(found.n_leaves(), n_leaves);
  std::vector<int> first_spot(n_leaves, -1);
  for (int i = n - 1; i >= 0; --i)
    if (exact.leaf[i] < n_leaves) first_spot[exact.leaf[i]] = i;
  int n_rare = 0;
  double shift = 0;
  for (int i = 0; i < n; ++i) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const int j : first_spot) nearest = std::min(nearest, distance[i][j]);
    EXPECT_NEAR(distance[i][first_spot[found.leaf[i]]], nearest, 1e-9);
    n_rare += exact.leaf[i] < n_leaves ? 0 : 1;
    shift += exact.leaf[i] < n_leaves ? 0 : nearest;
  }
  EXPECT_GT(n_rare, 10);
  EXPECT_DOUBLE_EQ(found.joined_share, static_cast<double>(n_rare) / n);
  EXPECT_NEAR(found.joined_shift, shift / n_rare, 1e-9);
  EXPECT_EQ(exact.joined_share, 0);
  EXPECT_EQ(exact.joined_shift, 0);
}

TEST(Consensus, ThousandsOfTuplesAreEachCountedOnce) {
  // Spot i and spot i + 6000 have the tuple of the digits of i in base 9.
  const int n_tuples = 6000, n_models = 5;
  Labels labels{n_models, 2 * n_tuples, {}};
  for (int m = 0, power = 1; m < n_models; ++m, power *= 9)
    for (int i = 0; i < 2 * n_tuples; ++i) labels.values.push_back(i % n_tuples / power % 9);

  const Consensus found = consensus(labels.values, n_models, 3, {.max_tuples = 100, .refine = 0});

  EXPECT_EQ(found.n_tuples, n_tuples);
  for (int i = 0; i < n_tuples; ++i) ASSERT_EQ(found.leaf[i], found.leaf[i + n_tuples]);
}

TEST(Consensus, TuplesThatOverflowOneKeyAreToldApart) {
  // 40 models of 30 clusters: 1200^40 possible keys. Spots differ in the first model alone.
  Labels labels{40, 300, {}};
  for (int m = 0; m < 40; ++m)
    for (int i = 0; i < 300; ++i) labels.values.push_back(m == 0 ? i % 30 : (i % 10) * 3);

  const Consensus found = consensus(labels.values, 40, 10, {});

  EXPECT_EQ(found.n_tuples, 30);
  std::vector<std::int32_t> expected(300);
  for (int i = 0; i < 300; ++i) expected[i] = i % 10;
  EXPECT_EQ(adjusted_rand_index(found.domain, expected), 1);
}

TEST(Consensus, IsTheSameOnOneAndThreeThreads) {
  const Labels labels = noisy_labels(9, 3000, 6, 0.1, 2);
  const ConsensusOptions options{.max_tuples = 300, .refine = 0};
  const auto run = [&] { return consensus(labels.values, 9, 6, options); };

  const Consensus one = on_threads(1, run), three = on_threads(3, run);

  EXPECT_EQ(one.domain, three.domain);
  EXPECT_EQ(one.linkage, three.linkage);
  EXPECT_EQ(one.leaf, three.leaf);
}

TEST(Consensus, RefusesMoreDomainsThanGroupsOfSpots) {
  const std::vector<std::int32_t> labels{0, 0, 1, 1, 0, 0, 1, 1};

  EXPECT_NE(message_of([&] { consensus(labels, 2, 3, {}); }).find("only 2 groups"),
            std::string::npos);
  EXPECT_EQ(consensus(labels, 2, 2, {}).n_domains, 2);
  EXPECT_NE(message_of([&] { consensus(labels, 2, 0, {}); }).find("domains = 0"),
            std::string::npos);
}

TEST(Consensus, OptionsOutOfRangeAreNamed) {
  EXPECT_NE(message_of([] {
              ConsensusOptions{1, 0}.validate();
            }).find("max_tuples = 1"),
            std::string::npos);
  EXPECT_NE(message_of([] {
              ConsensusOptions{20, -1}.validate();
            }).find("refine = -1"),
            std::string::npos);
  EXPECT_EQ(message_of([] { ConsensusOptions{}.validate(); }), "no InputError");
}

TEST(AdjustedRandIndex, CountsPairsAsHubertAndArabieDo) {
  const std::vector<std::int32_t> a{0, 0, 0, 1, 1, 1}, b{5, 5, 9, 9, 2, 2};
  // Pairs: 15; inside a 6, inside b 3, inside both 2. Expected 6 * 3 / 15 = 1.2, most 4.5.

  EXPECT_DOUBLE_EQ(adjusted_rand_index(a, b), (2 - 1.2) / (4.5 - 1.2));
  EXPECT_DOUBLE_EQ(adjusted_rand_index(b, a), (2 - 1.2) / (4.5 - 1.2));
  EXPECT_EQ(adjusted_rand_index(a, std::vector<std::int32_t>{7, 7, 7, 3, 3, 3}), 1);
}

TEST(AdjustedRandIndex, ManyGroupsAreCountedAsFewAre) {
  // 300 x 250 groups: too many for a table of all pairs of groups; 70000: too large for one of
  // labels.
  const auto fine = [](int n_groups, int step) {
    std::vector<std::int32_t> labels;
    for (int i = 0; i < 3000; ++i) labels.push_back(i * step % n_groups + 70000);
    return labels;
  };
  const auto a = fine(300, 7), b = fine(250, 1);
  double both = 0, in_a = 0, in_b = 0;
  for (int i = 0; i < 3000; ++i)
    for (int j = 0; j < i; ++j) {
      both += a[i] == a[j] && b[i] == b[j] ? 1 : 0;
      in_a += a[i] == a[j] ? 1 : 0;
      in_b += b[i] == b[j] ? 1 : 0;
    }
  const double by_chance = in_a * in_b / (3000.0 * 2999 / 2);

  EXPECT_GT(both, 0);
  EXPECT_NEAR(adjusted_rand_index(a, b), (both - by_chance) / ((in_a + in_b) / 2 - by_chance),
              1e-12);
}

TEST(AdjustedRandIndex, PartitionsWithoutAPairToJudgeAgree) {
  const std::vector<std::int32_t> together(5, 3), apart{0, 1, 2, 3, 4}, one{8};

  EXPECT_EQ(adjusted_rand_index(together, together), 1);
  EXPECT_EQ(adjusted_rand_index(apart, apart), 1);
  EXPECT_EQ(adjusted_rand_index(one, one), 1);
  EXPECT_EQ(adjusted_rand_index(together, apart), 0);
}

TEST(MeanAgreement, IsTheMeanOverPairsOfModels) {
  const std::vector<std::int32_t> labels{0, 0, 0, 1, 1, 1, 5, 5, 9, 9, 2, 2, 0, 0, 0, 1, 1, 1};
  const double other = (2 - 1.2) / (4.5 - 1.2);

  EXPECT_DOUBLE_EQ(mean_agreement(labels, 3), (other + 1 + other) / 3);
  EXPECT_EQ(mean_agreement(std::span(labels).first(6), 1), 1);
}

TEST(NumberedBySize, LargerFirstAndEqualOnesByFirstSpot) {
  const std::vector<std::int32_t> labels{9, 4, 4, 7, 9, 4, 2, 7};

  EXPECT_EQ(numbered_by_size(labels), (std::vector<std::int32_t>{1, 0, 0, 2, 1, 0, 3, 2}));
}

}  // namespace
}  // namespace stamarker
