#include <gtest/gtest.h>

#include <cmath>

#include "app/commands/compare.hpp"

namespace stamarker {
namespace {

/// Every pair of a positive and a negative by itself.
double auroc_by_pairs(const std::vector<double>& score, const std::vector<std::uint8_t>& positive) {
  double wins = 0, pairs = 0;
  for (std::size_t p = 0; p < score.size(); ++p)
    for (std::size_t n = 0; n < score.size(); ++n)
      if (positive[p] != 0 && positive[n] == 0) {
        ++pairs;
        wins += score[p] > score[n] ? 1 : score[p] == score[n] ? 0.5 : 0;
      }
  return wins / pairs;
}

TEST(AreaUnderCurve, EqualsTheShareOfPairsInOrderWithTiesAsHalf) {
  const std::vector<double> score{3, 1, 2, 2, 5, 2, 0, 3};
  const std::vector<std::uint8_t> positive{1, 0, 1, 0, 1, 0, 0, 0};

  EXPECT_DOUBLE_EQ(area_under_curve(score, positive), auroc_by_pairs(score, positive));
}

TEST(AreaUnderCurve, IsNotANumberWhenOneSideIsEmpty) {
  const std::vector<double> score{1, 2};

  EXPECT_TRUE(std::isnan(area_under_curve(score, std::vector<std::uint8_t>{0, 0})));
  EXPECT_TRUE(std::isnan(area_under_curve(score, std::vector<std::uint8_t>{1, 1})));
  EXPECT_TRUE(std::isnan(area_under_curve({}, {})));
}

TEST(Compare, MatchesEachAnnotatedDomainWithTheFoundOneThatHoldsMostOfIt) {
  const ComparedSection section{.annotation = {0, 0, 0, 1, 1, -1},
                                .annotated_names = {"cortex", "white matter", "not there"},
                                .domain = {1, 1, 0, 0, 0, 1},
                                .domain_names = {"0", "1"},
                                .gene_annotation = {0, -1, 1},
                                .score = {0.1, 0.9,  // of gene 0 in domains 0 and 1
                                          0.2, 0.3,  // of gene 1
                                          0.15, 0.4}};

  const Comparison result = compare(section);

  EXPECT_EQ(result.n_annotated, 5);
  // pairs together in both: 1 + 1, in the annotation: 4, in the domains: 4, of 10
  EXPECT_NEAR(result.adjusted_rand_index, (2 - 1.6) / (4 - 1.6), 1e-15);
  ASSERT_EQ(result.matches.size(), 2u);
  EXPECT_EQ(result.matches[0].found, "1");
  EXPECT_EQ(result.matches[0].n_shared, 2);
  EXPECT_DOUBLE_EQ(result.matches[0].auroc, 1.0);
  EXPECT_EQ(result.matches[1].found, "0");
  EXPECT_DOUBLE_EQ(result.matches[1].auroc, 0.5);
  EXPECT_DOUBLE_EQ(result.mean_auroc, 0.75);
}

TEST(Compare, SaysNothingOfGenesOfWhichNothingIsKnown) {
  const ComparedSection section{.annotation = {0, 1},
                                .annotated_names = {"a", "b"},
                                .domain = {0, 1},
                                .domain_names = {"0", "1"},
                                .gene_annotation = {},
                                .score = {}};

  const Comparison result = compare(section);

  EXPECT_DOUBLE_EQ(result.adjusted_rand_index, 1.0);
  EXPECT_TRUE(std::isnan(result.mean_auroc));
  EXPECT_EQ(result.matches[0].n_genes, 0);
}

}  // namespace
}  // namespace stamarker
