#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "app/run/warnings.hpp"

namespace stamarker::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A loss of n epochs, value(t) with t from 0 to 1.
template <class Value>
std::vector<double> curve(int n, Value value) {
  std::vector<double> loss;
  for (int k = 0; k < n; ++k) loss.push_back(value(static_cast<double>(k) / (n - 1)));
  return loss;
}

TEST(LateDecrease, IsATenthOfAStraightLineAndNothingOfAFlatEnd) {
  EXPECT_NEAR(late_decrease(curve(1001, [](double t) { return 9 - 5 * t; })), 0.1, 0.01);
  EXPECT_EQ(late_decrease(curve(100, [](double t) { return t < 0.5 ? 2 - t : 1.5; })), 0);
  EXPECT_LT(late_decrease(curve(1000, [](double t) { return 1 + std::exp(-9 * t); })), 0.001);
}

TEST(LateDecrease, IsWholeWhereThereIsNoDecreaseToCompareWith) {
  EXPECT_EQ(late_decrease({2, 2, 2}), 1);
  EXPECT_EQ(late_decrease({2, 3}), 1);
  EXPECT_EQ(late_decrease({2}), 1);
  EXPECT_EQ(late_decrease({}), 1);
}

TEST(Warnings, CountTheModelsWhoseLossHasNotFlattened) {
  const auto falling = curve(50, [](double t) { return 4 - t; });
  const auto flat = curve(50, [](double t) { return 1 + std::exp(-30 * t); });

  EXPECT_THAT(warnings_of_train({flat, flat}), IsEmpty());
  EXPECT_THAT(warnings_of_train({flat, falling, falling}),
              ElementsAre(AllOf(HasSubstr("the loss of 2 of 3 models has not flattened"),
                                HasSubstr("10.6 % of its decrease"), HasSubstr("epochs = 50"))));
}

ConsensusFile consensus_of(const std::vector<int>& sizes, double agreement) {
  ConsensusFile found;
  found.consensus.n_domains = static_cast<int>(sizes.size());
  for (std::size_t k = 0; k < sizes.size(); ++k)
    found.consensus.domain.insert(found.consensus.domain.end(), static_cast<std::size_t>(sizes[k]),
                                  static_cast<std::int32_t>(k));
  found.agreement = agreement;
  return found;
}

TEST(Warnings, NameDomainsOfFewerThanTenSpotsAndModelsThatDoNotAgree) {
  Config config;
  config.domains = 4;

  EXPECT_THAT(warnings_of_consensus(consensus_of({40, 30, 20, 10}, 0.3), config), IsEmpty());
  EXPECT_THAT(warnings_of_consensus(consensus_of({40, 30, 9, 1}, 0.009), config),
              ElementsAre(HasSubstr("the models agree by 0.009 only"),
                          AllOf(HasSubstr("2 (9 spots), 3 (1 spot)"), HasSubstr("SVGs"))));
}

/// As many spots on a line as `input` has kept, each the next one's neighbor, in one section.
PreparedData line(int n_spots) {
  PreparedData data;
  data.expression.n_rows = n_spots;
  data.section.assign(static_cast<std::size_t>(n_spots), 0);
  data.section_names = {"A"};
  data.radius = {0};
  data.n_nearest = 2;  // so that only isolated spots are told
  for (int i = 0; i < n_spots; ++i) {
    for (const int j : {i - 1, i, i + 1})
      if (j >= 0 && j < n_spots) data.graph.source.push_back(j);
    data.graph.row_start.push_back(static_cast<std::int64_t>(data.graph.source.size()));
  }
  return data;
}

TEST(Warnings, TellWhatWasDroppedByKeyWhereThatIsMoreThanHalf) {
  PrepareOptions options;
  options.min_cells = 7;
  options.min_counts = 3;
  const InputSummary half{
      .n_spots = 20, .n_genes = 50, .n_other_features = 50, .n_seen_genes = 40, .n_kept_genes = 20};
  InputSummary more{
      .n_spots = 21, .n_genes = 50, .n_other_features = 51, .n_seen_genes = 40, .n_kept_genes = 19};

  more.warnings = {"of reading"};

  EXPECT_THAT(warnings_of_prepare(line(10), half, options), IsEmpty());
  EXPECT_THAT(
      warnings_of_prepare(line(10), more, options),
      ElementsAre(
          "of reading", "51 of 101 features were dropped: not of type Gene Expression",
          "21 of 40 genes with counts were dropped: seen in fewer than prepare.min_cells = 7 "
          "spots",
          "11 of 21 spots were dropped: fewer than prepare.min_counts = 3 counts"));
}

TEST(Warnings, NameTheSectionWhoseSpotsAreIsolatedOrHaveUnusuallyManyNeighbors) {
  PreparedData data = line(60);
  for (int i = 56; i < 60; ++i) {  // the last four attend to themselves only
    data.graph.source.resize(static_cast<std::size_t>(data.graph.row_start[i]));
    data.graph.source.push_back(i);
    data.graph.row_start[i + 1] = data.graph.row_start[i] + 1;
  }
  const InputSummary all{.n_spots = 60};

  EXPECT_THAT(warnings_of_prepare(data, all, {}),
              ElementsAre(HasSubstr("section 'A': 4 of 60 spots are isolated")));
  PreparedData by_radius = line(60);
  EXPECT_THAT(warnings_of_prepare(by_radius, all, {}), IsEmpty());
  by_radius.radius = {1.5};
  EXPECT_THAT(warnings_of_prepare(by_radius, all, {}),
              ElementsAre(HasSubstr("section 'A': a spot has 2.0 neighbors on average")));
}

}  // namespace
}  // namespace stamarker::test
