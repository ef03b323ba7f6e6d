#include "cluster/cluster_test.hpp"
#include "cluster/consensus.hpp"

namespace stamarker {
namespace {

/// n x n spots one apart; the left half is domain 0, the right half domain 1.
Coordinates square(int n, int n_dims = 2) {
  Coordinates coordinates{n_dims, {}};
  for (int y = 0; y < n; ++y)
    for (int x = 0; x < n; ++x) {
      coordinates.values.push_back(x);
      coordinates.values.push_back(y);
      if (n_dims == 3) coordinates.values.push_back(5);
    }
  return coordinates;
}

std::vector<std::int32_t> halves(int n) {
  std::vector<std::int32_t> domain(static_cast<std::size_t>(n) * n);
  for (int i = 0; i < n * n; ++i) domain[i] = i % n < n / 2 ? 0 : 1;
  return domain;
}

TEST(FollowMajority, ASingleSpotInsideAnotherDomainJoinsIt) {
  for (const int n_dims : {2, 3}) {
    auto domain = halves(10);
    const std::vector<std::int32_t> expected = domain, section(100, 0);
    domain[52] = 1;  // inside the left half
    domain[37] = 0;  // inside the right half

    EXPECT_EQ(follow_majority(domain, square(10, n_dims), section, 8), expected);
  }
}

TEST(FollowMajority, SpotsOfAnotherSectionDoNotCount) {
  Coordinates coordinates{2, {0, 0, 1, 0, 2, 0, 0, 0.1, 1, 0.1, 2, 0.1}};
  const std::vector<std::int32_t> domain{0, 0, 1, 1, 1, 0}, section{0, 0, 0, 1, 1, 1};

  // Six neighbours are asked for, a section has two others.
  EXPECT_EQ(follow_majority(domain, coordinates, section, 6),
            (std::vector<std::int32_t>{0, 0, 0, 1, 1, 1}));
}

TEST(FollowMajority, EqualCountsKeepTheOwnDomainElseTheLower) {
  const Coordinates coordinates{2, {0, 0, 1, 0, -1, 0, 0, 1, 0, -1}};
  const std::vector<std::int32_t> section(5, 0);

  const auto first_of = [&](std::vector<std::int32_t> domain) {
    return follow_majority(domain, coordinates, section, 4).front();
  };

  EXPECT_EQ(first_of({3, 3, 3, 2, 2}), 3);  // its own is among the most frequent
  EXPECT_EQ(first_of({1, 3, 3, 2, 2}), 2);
  EXPECT_EQ(first_of({1, 3, 3, 3, 2}), 3);
}

TEST(FollowMajority, SpotsAsFarAsTheLastNeighbourCountToo) {
  // On a square grid four spots are equally near: with one neighbour asked for all four decide, so
  // the order of the spots does not matter.
  const auto order = test::permutation(100, 4);
  const Coordinates grid = square(10);
  auto domain = halves(10);
  for (const int i : {11, 23, 38, 52, 53, 77, 90}) domain[i] = 1 - domain[i];
  const std::vector<std::int32_t> section(100, 0);
  Coordinates permuted{2, test::rows_in_order(grid.values, order)};

  const auto original = follow_majority(domain, grid, section, 1);

  EXPECT_EQ(follow_majority(test::rows_in_order(domain, order), permuted, section, 1),
            test::rows_in_order(original, order));
}

TEST(FollowMajority, CoincidentSpotsAndSingleSpotsAreFine) {
  const Coordinates coordinates{2, {0, 0, 0, 0, 0, 0, 9, 9}};
  const std::vector<std::int32_t> domain{1, 0, 0, 2}, section{0, 0, 0, 1};

  EXPECT_EQ(follow_majority(domain, coordinates, section, 2),
            (std::vector<std::int32_t>{0, 0, 0, 2}));
}

TEST(Consensus, RefiningNumbersDomainsAnewAndMayEmptyOne) {
  // Domain of spot 0 alone, in the middle of four others.
  const Coordinates coordinates{2, {0, 0, 1, 0, -1, 0, 0, 1, 0, -1}};
  const std::vector<std::int32_t> labels{0, 1, 1, 1, 1}, section(5, 0);
  const ConsensusOptions options{.max_tuples = 100, .refine = 4};

  const Consensus found = consensus(labels, 1, 2, options, coordinates, section);

  EXPECT_EQ(found.domain, std::vector<std::int32_t>(5, 0));
  EXPECT_EQ(found.n_domains, 1);
  EXPECT_THROW(consensus(labels, 1, 2, options), std::logic_error);  // no coordinates
}

}  // namespace
}  // namespace stamarker
