#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "app/commands/compare.hpp"
#include "app/program.hpp"
#include "io/h5.hpp"
#include "io/section_file.hpp"
#include "support/message_of.hpp"

namespace stamarker {
namespace {

using ::testing::HasSubstr;

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
  EXPECT_EQ(result.n_not_annotated, 1);
  EXPECT_EQ(result.n_without_domain, 0);
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

/// Spots 0 and 1 have no domain, as of those that the run dropped.
TEST(Compare, LeavesOutSpotsWithoutADomain) {
  const ComparedSection section{.annotation = {0, -1, 0, 1, 1, 2},
                                .annotated_names = {"a", "b", "all dropped"},
                                .domain = {-1, -1, 0, 1, 1, -1},
                                .domain_names = {"0", "1"},
                                .gene_annotation = {},
                                .score = {}};

  const Comparison result = compare(section);

  EXPECT_DOUBLE_EQ(result.adjusted_rand_index, 1.0);
  EXPECT_EQ(result.n_annotated, 3);
  EXPECT_EQ(result.n_not_annotated, 1);
  EXPECT_EQ(result.n_without_domain, 2);
  ASSERT_EQ(result.matches.size(), 2u);
  EXPECT_EQ(result.matches[0].n_spots, 1);
  EXPECT_EQ(result.matches[0].n_shared, 1);
}

/// A file with four spots of a numeric annotation `layer`, two genes and three domains.
class ComparedFile : public ::testing::Test {
 protected:
  void write(const std::vector<std::int32_t>& domain, const std::vector<std::int64_t>& score) {
    Frame obs, var;
    obs.index = {"a", "b", "c", "d"};
    obs.set({"layer", std::vector<float>{10, std::numeric_limits<float>::quiet_NaN(), 9, 10}});
    obs.set(categorical_column("stamarker", domain, {"0", "1", "2"}));
    var.index = {"G1", "G2"};
    var.set({"svg_of", std::vector<std::string>{"10", ""}});
    const Coordinates places{2, std::vector<double>(8)};
    write_section(path_, obs, var, places, /*most_nonzeros=*/0, [](int first, int last) {
      SparseRows none;
      none.n_rows = last - first;
      none.n_cols = 2;
      none.row_start.resize(static_cast<std::size_t>(none.n_rows) + 1);
      return none;
    });
    const h5::File file{H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
    std::vector<double> values(static_cast<std::size_t>(score[0] * score[1]));
    std::iota(values.begin(), values.end(), 0.0);
    h5::write(file, "varm/stamarker_score", std::span<const double>(values), score);
  }
  std::string refusal() const {
    return test::message_of([&] { read_compared(path_, "layer", "svg_of"); });
  }

  test::Scratch scratch_;
  std::string path_ = scratch_ / "result.h5ad";
};

TEST_F(ComparedFile, HasCodesOfValuesInTheirOrderAndNoneOfMissingOnes) {
  write({2, 0, -1, 1}, {2, 3});

  const ComparedSection section = read_compared(path_, "layer", "svg_of");

  EXPECT_EQ(section.annotated_names, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(section.annotation, (std::vector<std::int32_t>{1, -1, 0, 1}));
  EXPECT_EQ(section.domain, (std::vector<std::int32_t>{2, 0, -1, 1}));
  EXPECT_EQ(section.domain_names, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(section.gene_annotation, (std::vector<std::int32_t>{1, -1}));
  EXPECT_EQ(section.score, (std::vector<double>{0, 1, 2, 3, 4, 5}));
}

TEST_F(ComparedFile, IsReportedWithTheSpotsLeftOut) {
  write({2, 0, -1, 1}, {2, 3});

  const test::Outcome outcome = test::run_program(
      scratch_.path(), {"compare", path_, "--truth", "layer", "--genes", "svg_of"});

  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.out, HasSubstr("over 2 annotated spots"));
  EXPECT_THAT(outcome.out, HasSubstr("left out: 1 spot without an annotation\n"));
  EXPECT_THAT(outcome.out, HasSubstr("left out: 1 annotated spot without a domain\n"));
}

TEST_F(ComparedFile, WithScoresOfOtherDomainsIsRefused) {
  write({2, 0, -1, 1}, {2, 4});

  EXPECT_EQ(refusal(), path_ +
                           ": varm/stamarker_score has shape (2, 4), 2 genes x 3 domains of "
                           "obs/stamarker expected; compare the result as `stamarker` wrote it");
}

TEST_F(ComparedFile, WithoutASpotThatHasBothIsRefused) {
  write({-1, 0, -1, -1}, {2, 3});

  EXPECT_EQ(refusal(), path_ + ": no spot has a value in obs/layer and in obs/stamarker");
}

}  // namespace
}  // namespace stamarker
