#include <fmt/core.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <thread>

#include "base/error.hpp"
#include "data/select_counts.hpp"
#include "data/simulate.hpp"
#include "data/variable_genes.hpp"
#include "prepared_section.hpp"
#include "random_points.hpp"
#include "support/message_of.hpp"

namespace stamarker::test {
namespace {

using Indices = std::vector<std::int32_t>;
using Rows = std::vector<std::vector<float>>;

SparseRows sparse(const Rows& dense) {
  SparseRows m;
  m.n_rows = static_cast<int>(dense.size());
  m.n_cols = static_cast<int>(dense.at(0).size());
  for (const auto& row : dense) {
    for (int c = 0; c < m.n_cols; ++c)
      if (row[c] != 0) {
        m.column.push_back(c);
        m.value.push_back(row[c]);
      }
    m.row_start.push_back(static_cast<std::int64_t>(m.column.size()));
  }
  return m;
}

/// Spots on a line, 1 apart, named a, b, ...; genes G0, G1, ...
Dataset dataset(const Rows& dense) {
  Dataset data;
  data.counts = sparse(dense);
  for (int i = 0; i < data.n_spots(); ++i) {
    data.spot_names.emplace_back(1, static_cast<char>('a' + i));
    data.coordinates.values.insert(data.coordinates.values.end(), {1.0 * i, 0});
  }
  for (int g = 0; g < data.n_genes(); ++g) data.gene_names.push_back(fmt::format("G{}", g));
  data.section.assign(dense.size(), 0);
  data.section_names = {"all"};
  return data;
}

SelectedCounts select(const Dataset& data, const PrepareOptions& options) {
  CountsInMemory table(data, "a.h5ad: layers/raw", /*block_rows=*/2);
  return select_counts(table, options);
}

TEST(SelectCounts, DropsGenesFirstAndThenSpotsByTheirCountsOfTheGenesLeft) {
  const Dataset data = dataset({{9, 1, 0, 2}, {0, 1, 1, 0}, {0, 3, 0, 1}, {0, 0, 0, 0}});

  const SelectedCounts got = select(data, {.min_cells = 2, .min_counts = 3});

  EXPECT_EQ(got.kept_genes, (Indices{1, 3}));
  EXPECT_EQ(got.kept_spots, (Indices{0, 2}));  // 3 and 4 counts of genes 1 and 3; spot 1 has 1
  EXPECT_EQ(got.counts.value, (std::vector<float>{1, 2, 3, 1}));
}

TEST(SelectCounts, DoesNotCountStoredZeros) {
  Dataset data = dataset({{1, 1}, {1, 1}, {1, 1}});
  data.counts.value[1] = data.counts.value[3] = 0;

  EXPECT_EQ(select(data, {.min_cells = 2}).kept_genes, Indices{0});
}

TEST(SelectCounts, NamesTheOptionThatLeavesNothing) {
  const Dataset data = dataset({{1, 0}, {1, 2}, {4, 0}});

  EXPECT_EQ(message_of([&] { select(data, {.min_cells = 50}); }),
            "prepare.min_cells = 50 leaves no gene (the most frequent of 2 genes is seen in 3 of 3 "
            "spots; lower prepare.min_cells)");
  EXPECT_EQ(message_of([&] { select(data, {.min_cells = 1, .min_counts = 4}); }),
            "prepare.min_counts = 4 leaves 1 of 3 spots (at least two are needed; the largest spot "
            "has 4 counts of the genes kept; lower prepare.min_counts)");
}

TEST(NormalizeLog, ScalesEachSpotAndLeavesAnEmptyOneZero) {
  SparseRows got = sparse({{1, 3, 0}, {0, 0, 0}, {0, 0, 7}});

  normalize_log(got, 100);

  EXPECT_EQ(got.row_start, (std::vector<std::int64_t>{0, 2, 2, 3}));
  EXPECT_FLOAT_EQ(got.value[0], std::log(26.0F));
  EXPECT_FLOAT_EQ(got.value[1], std::log(76.0F));
  EXPECT_FLOAT_EQ(got.value[2], std::log(101.0F));
}

TEST(NormalizeLog, TakesEachLogarithmByItself) {
  SparseRows got = sparse({{1, 2, 31, 32, 40, 1, 2, 40}});
  const std::vector<float> counts = got.value;

  normalize_log(got, 50);

  for (std::size_t k = 0; k < counts.size(); ++k)
    EXPECT_EQ(got.value[k], static_cast<float>(std::log1p(counts[k] * (50.0 / 149)))) << k;
}

TEST(NormalizeLog, LeavesAStoredRowOfZerosZero) {
  SparseRows counts = sparse({{1, 1}});
  counts.value = {0, 0};

  normalize_log(counts, 100);
  EXPECT_EQ(counts.value, (std::vector<float>{0, 0}));
}

/// Counts of 60 spots x 80 genes with outliers that the limit cuts.
SparseRows counts_with_outliers() {
  SimulateOptions options;
  options.n_spots = 60;
  options.n_genes = 80;
  options.n_domains = 2;
  options.svgs_per_domain = 5;
  options.n_gradient_genes = 5;
  SparseRows counts = Simulation(options).rows(0, 60);
  for (std::size_t k = 0; k < counts.value.size(); k += 97) counts.value[k] *= 50;
  return counts;
}

GeneTally tally_of(const SparseRows& counts, const std::vector<char>& is_kept = {}) {
  GeneTally tally(counts.n_cols);
  tally.add(counts, is_kept);
  const Dataset nothing;
  CountsInMemory alone(nothing, "");
  tally.join_ranks(alone);
  return tally;
}

// The definition in the header, entry by entry from a dense table, given the trend.
TEST(HighlyVariableGenes, FollowsItsDefinition) {
  const SparseRows counts = counts_with_outliers();
  Indices spots, genes;
  std::vector<char> is_kept;
  for (int i = 0; i < 60; ++i) {
    is_kept.push_back(i % 7 != 3 ? 1 : 0);
    if (is_kept.back() != 0) spots.push_back(i);
  }
  for (int g = 0; g < 80; ++g)
    if (g % 5 != 2) genes.push_back(g);
  const GeneTally tally = tally_of(counts, is_kept);
  const auto n_spots = static_cast<std::int64_t>(spots.size());
  const GeneTrend trend = gene_trend(tally, n_spots, genes);

  const GeneStatistics got = highly_variable_genes(tally, n_spots, genes, 10);

  const auto n = static_cast<double>(n_spots);
  int n_clipped = 0;
  for (std::size_t k = 0; k < genes.size(); ++k) {
    std::vector<double> column;
    for (const int i : spots) {
      column.push_back(0);
      for (auto e = counts.row_start[i]; e < counts.row_start[i + 1]; ++e)
        if (counts.column[e] == genes[k]) column.back() = counts.value[e];
    }
    const double mean = std::accumulate(column.begin(), column.end(), 0.0) / n;
    double squares = 0, clipped_squares = 0;
    const double sd = trend.expected_sd[k], limit = sd * std::sqrt(n) + mean;
    for (const double x : column) {
      squares += (x - mean) * (x - mean);
      clipped_squares += std::pow(std::min(x, limit) - mean, 2);
      n_clipped += x > limit;
    }
    EXPECT_NEAR(got.means[k], mean, 1e-13 * mean);
    EXPECT_NEAR(got.variances[k], squares / (n - 1), 1e-12 * squares);
    EXPECT_NEAR(got.variances_norm[k], clipped_squares / ((n - 1) * sd * sd), 1e-12);
  }
  EXPECT_GT(n_clipped, 3);  // or the test says nothing about clipping
}

TEST(HighlyVariableGenes, RanksByVarianceAndTiesByTheOrderOfGenes) {
  // Genes 1 and 3 hold the same counts in another order; gene 4 is the most, 2 not variable.
  const SparseRows counts = sparse(
      {{1, 5, 2, 1, 0}, {2, 1, 2, 1, 0}, {1, 1, 2, 5, 90}, {2, 0, 2, 0, 0}, {1, 1, 2, 1, 0}});
  const Indices genes{0, 1, 2, 3, 4};
  const GeneTally tally = tally_of(counts);

  const GeneStatistics all = highly_variable_genes(tally, 5, genes, 5);
  const GeneStatistics some = highly_variable_genes(tally, 5, genes, 2);

  EXPECT_EQ(all.variances[2], 0);
  EXPECT_EQ(all.variances_norm[2], 0);
  EXPECT_EQ(all.variances_norm[1], all.variances_norm[3]);
  EXPECT_EQ(all.rank[3], all.rank[1] + 1);
  EXPECT_EQ(all.rank[2], 4);
  Indices ranks = all.rank;
  std::sort(ranks.begin(), ranks.end());
  EXPECT_EQ(ranks, (Indices{0, 1, 2, 3, 4}));
  for (int g = 0; g < 5; ++g) EXPECT_EQ(some.rank[g], all.rank[g] < 2 ? all.rank[g] : -1);
}

TEST(GeneTally, KnowsHowManySpotsHaveEachCount) {
  const SparseRows counts = sparse({{1, 0, 15}, {1, 70000, 16}, {2, 0, 16}, {0, 3, 15}});
  using Counts = std::vector<std::pair<double, std::int64_t>>;
  const auto counts_of = [](const GeneTally& tally, int gene) {
    Counts found;
    tally.each(gene, [&](double count, std::int64_t n) { found.emplace_back(count, n); });
    return found;
  };

  const GeneTally tally = tally_of(counts), some = tally_of(counts, {1, 0, 1, 1});

  EXPECT_EQ(counts_of(tally, 0), (Counts{{1, 2}, {2, 1}}));
  EXPECT_EQ(counts_of(tally, 1), (Counts{{3, 1}, {70000, 1}}));
  EXPECT_EQ(counts_of(tally, 2), (Counts{{15, 2}, {16, 2}}));
  EXPECT_EQ(tally.n_seen(), (std::vector<std::int64_t>{3, 2, 4}));
  EXPECT_EQ(counts_of(some, 1), (Counts{{3, 1}}));
  EXPECT_EQ(some.n_seen(), (std::vector<std::int64_t>{2, 1, 3}));
}

TEST(Prepare, KeepsAllGenesWhereFewerThanAskedForAreLeftAndEmptySpotsToo) {
  const Dataset data = dataset({{1, 5, 0}, {2, 1, 0}, {0, 0, 3}, {0, 2, 0}});

  const PreparedData got =
      prepare_section(data, {.min_cells = 2, .n_top_genes = 100, .rad_cutoff = 1.5}).data;

  EXPECT_EQ(got.selected_genes, (Indices{0, 1}));
  EXPECT_EQ(got.gene_names, (std::vector<std::string>{"G0", "G1"}));
  EXPECT_EQ(got.kept_spots, (Indices{0, 1, 2, 3}));
  EXPECT_EQ(got.expression.row_start[2], got.expression.row_start[3]);  // spot c: gene 2 only
  for (const float value : got.expression.value) EXPECT_TRUE(std::isfinite(value));
}

TEST(Prepare, CarriesNamesPositionsAndStatisticsOfWhatItKeeps) {
  Dataset data = dataset({{1, 5, 0, 1}, {0, 0, 0, 1}, {2, 0, 9, 1}, {1, 2, 0, 1}});
  data.section = {0, 0, 1, 1};
  data.section_names = {"first", "second"};

  const auto [got, selected] =
      prepare_section(data, {.min_cells = 2, .min_counts = 2, .n_top_genes = 2, .rad_cutoff = 9.0});

  EXPECT_EQ(got.kept_spots, (Indices{0, 2, 3}));
  EXPECT_EQ(got.spot_names, (std::vector<std::string>{"a", "c", "d"}));
  EXPECT_EQ(got.coordinates.values, (std::vector<double>{0, 0, 2, 0, 3, 0}));
  EXPECT_EQ(got.section, (Indices{0, 1, 1}));
  EXPECT_EQ(got.selected_genes, (Indices{0, 1}));  // gene 3 has no variance
  EXPECT_EQ(selected.counts.value, (std::vector<float>{1, 5, 2, 1, 2}));
  EXPECT_DOUBLE_EQ(got.statistics.means[0], 4.0 / 3);
  EXPECT_DOUBLE_EQ(got.statistics.variances[1], 19.0 / 3);
  EXPECT_EQ(got.statistics.rank.size(), 2U);
  EXPECT_EQ(got.graph.source, (Indices{0, 1, 2, 1, 2}));  // no edge between the sections
  EXPECT_EQ(got.radius, (std::vector<double>{9, 9}));
}

TEST(Prepare, GivesTheSameBitsForAnyNumberOfThreadsAndAnyBlocks) {
  const SimulatedSection section =
      simulate({.n_spots = 700, .n_genes = 300, .n_gradient_genes = 10});
  const PrepareOptions options{.min_cells = 5, .min_counts = 10, .n_top_genes = 200};
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const PreparedData one = prepare_section(section.data, options).data;
  omp_set_num_threads(5);
  const PreparedData five = prepare_section(section.data, options, /*block_rows=*/17).data;
  omp_set_num_threads(before);

  EXPECT_EQ(one.selected_genes, five.selected_genes);
  EXPECT_EQ(one.statistics.variances_norm, five.statistics.variances_norm);
  EXPECT_EQ(one.expression.value, five.expression.value);
  EXPECT_EQ(one.graph.source, five.graph.source);
  EXPECT_EQ(one.graph.distance, five.graph.distance);
}

/// Eight blocks on four threads, of which the first takes longest.
std::vector<int> visit_eight_blocks(const std::function<void(int block)>& work) {
  const Dataset data = dataset(std::vector<std::vector<float>>(8, {1}));
  CountsInMemory table(data, "", /*block_rows=*/1);
  const int before = omp_get_max_threads();
  omp_set_num_threads(4);
  std::vector<int> ended;
  const std::string failure = message_of([&] {
    table.visit([&](int block, const SparseRows&) -> SharedCounts::InOrder {
      if (block == 0) std::this_thread::sleep_for(std::chrono::milliseconds(30));
      work(block);
      return [&ended, block] { ended.push_back(block); };
    });
  });
  omp_set_num_threads(before);
  if (failure != "no InputError") throw InputError(failure);
  return ended;
}

TEST(SharedCounts, EndsBlocksInTheirOrder) {
  EXPECT_EQ(visit_eight_blocks([](int) {}), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(SharedCounts, ThrowsWhatTheFirstOfTheFailingBlocksThrew) {
  EXPECT_EQ(message_of([] {
              visit_eight_blocks([](int block) { throw InputError(std::to_string(block)); });
            }),
            "0");
}

TEST(CheckCounts, AcceptsCounts) {
  const Dataset data = dataset({{0, 3}, {1, 0}});
  EXPECT_NO_THROW(check_counts(CountsInMemory(data, "a.h5ad: X"), 0, data.counts));
}

TEST(CheckCounts, NamesTheFirstValueThatIsNoCount) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const auto& [value, text] : {std::pair{-1.0F, "-1"}, std::pair{0.5F, "0.5"},
                                    std::pair{NAN, "nan"}, std::pair{infinity, "inf"}})
    EXPECT_EQ(message_of([&, wrong = value] {
                select(dataset({{1, 2}, {4, 0}, {4, wrong}, {wrong, 0}}), {.min_cells = 1});
              }),
              std::string("a.h5ad: layers/raw: gene 'G1' has the count ") + text +
                  " in spot 'c' (counts must be non-negative integers; point input.layer to the "
                  "raw counts)");
}

TEST(CheckTables, RefusesNamesThatOccurTwice) {
  Dataset data = dataset({{0, 3}, {1, 0}});
  data.spot_names[1] = "a";
  EXPECT_NE(message_of([&] {
              check_tables(data, "f: X", "f: obsm/spatial");
            }).find("f: X: spot name 'a' occurs"),
            std::string::npos);
  data = dataset({{0, 3}, {1, 0}});
  data.gene_names[1] = "G0";
  EXPECT_NE(message_of([&] {
              check_tables(data, "f: X", "f: obsm/spatial");
            }).find("f: X: gene name 'G0' occurs"),
            std::string::npos);
}

TEST(CheckTables, RefusesEmptyTablesAndSpotsWithoutAPosition) {
  Dataset data;
  EXPECT_EQ(message_of([&] { check_tables(data, "f: X", "f: obsm/spatial"); }),
            "f: X: no spots (the table has 0 rows)");
  data.spot_names = {"a"};
  EXPECT_EQ(message_of([&] { check_tables(data, "f: X", "f: obsm/spatial"); }),
            "f: X: no genes (the table has 0 columns)");
  data = dataset({{0, 3}, {1, 0}});
  data.coordinates.values[3] = NAN;
  EXPECT_EQ(message_of([&] { check_tables(data, "f: X", "f: obsm/spatial"); }),
            "f: obsm/spatial: spot 'b' has the coordinate nan (every spot needs a position; remove "
            "those without one)");
}

TEST(PrepareOptions, NamesTheKeyThatIsOutOfRange) {
  EXPECT_NO_THROW(PrepareOptions{}.validate());
  const auto message = [](const PrepareOptions& options) {
    return message_of([&] { options.validate(); });
  };
  EXPECT_EQ(message({.min_cells = -1}), "prepare.min_cells = -1 (must be 0 or more)");
  EXPECT_EQ(message({.min_counts = -2}), "prepare.min_counts = -2 (must be 0 or more)");
  EXPECT_EQ(message({.n_top_genes = 0}), "prepare.n_top_genes = 0 (must be 1 or more)");
  EXPECT_EQ(message({.target_sum = 0}), "prepare.target_sum = 0 (must be positive and finite)");
  EXPECT_EQ(message({.rad_cutoff = NAN}),
            "prepare.rad_cutoff = nan (must be positive and finite, or auto)");
  EXPECT_EQ(message({.k_cutoff = 0}), "prepare.k_cutoff = 0 (must be 1 or more)");
  EXPECT_EQ(message({.max_neighbors = 0}), "prepare.max_neighbors = 0 (must be 1 or more)");
  EXPECT_EQ(message({.rad_cutoff = 1.0, .k_cutoff = 6}),
            "prepare.k_cutoff = 6 (excludes prepare.rad_cutoff; set one of the two)");
}

}  // namespace
}  // namespace stamarker::test
