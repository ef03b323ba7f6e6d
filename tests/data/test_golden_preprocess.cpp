#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "data/select_counts.hpp"
#include "data/spatial_graph.hpp"
#include "data/variable_genes.hpp"
#include "h5ad_fixture.hpp"
#include "prepared_section.hpp"
#include "support/golden.hpp"

namespace stamarker::test {
namespace {

using Indices = std::vector<std::int32_t>;

/// One section, prepared with the options stored beside its golden values.
class GoldenPreprocess : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    STM_NEEDS_SHARED("golden/preprocess.h5");
    STM_NEEDS_SHARED(section_file());
    golden_.emplace(h5::open_to_read((shared_folder() / "golden/preprocess.h5").string()));
    group_.emplace(H5Gopen2(*golden_, GetParam(), H5P_DEFAULT));
    options_.min_cells = static_cast<int>(attribute<std::int64_t>("min_cells"));
    options_.min_counts = std::max(0, static_cast<int>(attribute<std::int64_t>("min_counts")));
    options_.n_top_genes = static_cast<int>(attribute<std::int64_t>("n_top"));
    options_.rad_cutoff = attribute<double>("rad_cutoff");
    data_ = read_section(shared_folder() / section_file());
  }

  static std::string section_file() { return std::string("data/") + GetParam() + ".h5ad"; }

  template <class T>
  T attribute(const char* name) const {
    return h5::read_attribute<T>(*group_, name).at(0);
  }
  template <class T>
  std::vector<T> golden(const std::string& name) const {
    return h5::read<T>(*group_, name);
  }
  SpatialGraph golden_graph(const std::string& name) const {
    return {golden<std::int64_t>(name + "/indptr"), golden<std::int32_t>(name + "/source"), {}};
  }

  Dataset data_;
  PrepareOptions options_;

 private:
  std::optional<h5::File> golden_;
  std::optional<h5::Group> group_;
};

void expect_relative(const std::vector<double>& got, const std::vector<double>& wanted,
                     double tolerance, const char* what) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  double worst = 0;
  for (std::size_t k = 0; k < got.size(); ++k)
    worst = std::max(worst, std::abs(got[k] - wanted[k]) / std::max(std::abs(wanted[k]), 1e-300));
  EXPECT_LE(worst, tolerance) << what;
}

using Edges = std::set<std::pair<std::int32_t, std::int32_t>>;  // (spot, source)

Edges edges_of(const SpatialGraph& graph) {
  Edges edges;
  for (int i = 0; i < graph.n_spots(); ++i)
    for (std::int64_t e = graph.row_start[i]; e < graph.row_start[i + 1]; ++e)
      edges.emplace(i, graph.source[e]);
  return edges;
}

/// Edges of `a` that are not in `b`.
Edges minus(const Edges& a, const Edges& b) {
  Edges difference;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(),
                      std::inserter(difference, difference.end()));
  return difference;
}

double distance_between(const Coordinates& c, int i, int j) {
  return std::hypot(c.spot(i)[0] - c.spot(j)[0], c.spot(i)[1] - c.spot(j)[1]);
}

TEST_P(GoldenPreprocess, KeepsTheSameSpotsAndGenes) {
  const SelectedCounts kept = prepare_section(data_, options_).selected;

  EXPECT_EQ(kept.kept_spots, golden<std::int32_t>("kept_spots"));
  EXPECT_EQ(kept.kept_genes, golden<std::int32_t>("kept_genes"));
}

// Sums of integers are exact in both; the fitted trend agrees to 4e-10 with scikit-misc, and
// variances_norm is proportional to 1 / expected_sd^2.
TEST_P(GoldenPreprocess, RanksTheSameGenesByTheSameVariance) {
  const GeneStatistics got = prepare_section(data_, options_).selected.statistics;

  const auto wanted_norm = golden<double>("hvg/variances_norm");
  const auto wanted_rank = golden<std::int32_t>("hvg/rank");
  expect_relative(got.means, golden<double>("hvg/means"), 1e-12, "means");
  expect_relative(got.variances, golden<double>("hvg/variances"), 1e-11, "variances");
  expect_relative(got.variances_norm, wanted_norm, 1e-8, "variances_norm");
  Indices selected, gene_of_rank(got.rank.size(), -1);
  for (std::size_t g = 0; g < got.rank.size(); ++g) {
    if (got.rank[g] < 0) continue;
    selected.push_back(static_cast<std::int32_t>(g));
    gene_of_rank[got.rank[g]] = static_cast<std::int32_t>(g);
  }
  EXPECT_EQ(selected, golden<std::int32_t>("hvg/selected"));
  // Genes with one and the same set of counts tie; scanpy's order of those is numpy's.
  for (std::size_t g = 0; g < wanted_rank.size(); ++g)
    if (wanted_rank[g] >= 0) {
      EXPECT_EQ(wanted_norm[gene_of_rank[wanted_rank[g]]], wanted_norm[g]) << "gene " << g;
    }
}

TEST_P(GoldenPreprocess, NormalisesToTheSameExpression) {
  const PreparedData got = prepare_section(data_, options_).data;

  // scanpy divides and takes the logarithm in float32: a few roundings of each value.
  constexpr double one_value = 4 * 0x1p-24;
  // The golden sums were added up in float32: n roundings of random sign, sqrt(n) of one's size.
  const auto sum_of = [](int n_terms) { return one_value * (1 + std::sqrt(n_terms)); };
  std::vector<double> row_sum(got.n_spots()), column_sum(got.n_genes());
  double square_sum = 0;
  for (int i = 0; i < got.n_spots(); ++i)
    for (std::int64_t k = got.expression.row_start[i]; k < got.expression.row_start[i + 1]; ++k) {
      const double value = got.expression.value[k];
      row_sum[i] += value;
      column_sum[got.expression.column[k]] += value;
      square_sum += value * value;
    }
  expect_relative(row_sum, golden<double>("X/row_sum"), sum_of(got.n_genes()), "row sums");
  expect_relative(column_sum, golden<double>("X/column_sum"), sum_of(got.n_spots()), "column sums");
  expect_relative({square_sum}, golden<double>("X/square_sum"), 2 * one_value, "squares");
  const auto start = golden<std::int64_t>("X/first100/indptr");
  const auto column = golden<std::int32_t>("X/first100/indices");
  const auto value = golden<float>("X/first100/data");
  ASSERT_TRUE(std::equal(start.begin(), start.end(), got.expression.row_start.begin()));
  ASSERT_TRUE(std::equal(column.begin(), column.end(), got.expression.column.begin()));
  for (std::size_t k = 0; k < value.size(); ++k)
    ASSERT_NEAR(got.expression.value[k], value[k], one_value * value[k]) << "entry " << k;
}

// Where two spots lie at one place the public code takes its own spot out of the list by place and
// may take out the other one: those edges alone may be missing from the golden graph.
TEST_P(GoldenPreprocess, GivesTheSameRadiusGraph) {
  const PreparedData got = prepare_section(data_, options_).data;

  const Edges wanted = edges_of(golden_graph("graph")), ours = edges_of(got.graph);
  EXPECT_EQ(minus(wanted, ours), Edges{});
  for (const auto& [i, j] : minus(ours, wanted))
    EXPECT_EQ(distance_between(got.coordinates, i, j), 0) << i << " " << j;
}

TEST_P(GoldenPreprocess, GivesTheSameNearestNeighboursUpToTies) {
  options_.rad_cutoff.reset();
  options_.k_cutoff = 6;
  const PreparedData got = prepare_section(data_, options_).data;

  const Edges wanted = edges_of(golden_graph("knn6")), ours = edges_of(got.graph);
  EXPECT_TRUE(std::ranges::is_sorted(got.graph.row_start));
  // Distance of the 6th neighbour of each spot: the choices that differ must all lie there. Where
  // two spots share a place the golden list holds one neighbour too few.
  std::vector<double> reach(got.n_spots());
  std::vector<char> has_twin(got.n_spots());
  for (const auto& [i, j] : ours) {
    const double distance = distance_between(got.coordinates, i, j);
    reach[j] = std::max(reach[j], distance);
    if (i != j && distance == 0) has_twin[j] = 1;
  }
  std::set<std::int32_t> with_ties;
  const auto examine = [&](const Edges& differing) {
    for (const auto& [i, j] : differing) {
      const double distance = distance_between(got.coordinates, i, j);
      if (has_twin[j] != 0) continue;
      EXPECT_DOUBLE_EQ(distance, reach[j]) << "spot " << j << " chooses " << i;
      with_ties.insert(j);
    }
  };
  examine(minus(ours, wanted));
  examine(minus(wanted, ours));
  EXPECT_LE(static_cast<std::int64_t>(with_ties.size()), attribute<std::int64_t>("knn6_ties"));
  for (const auto& [i, j] : minus(ours, wanted))
    if (has_twin[j] != 0) {
      EXPECT_TRUE(distance_between(got.coordinates, i, j) == 0 ||
                  distance_between(got.coordinates, i, j) == reach[j]);
    }
}

TEST_P(GoldenPreprocess, FindsARadiusWithAboutSixNeighbours) {
  options_.rad_cutoff.reset();

  const PreparedData got = prepare_section(data_, options_).data;

  const GraphSummary summary = summary_of(got.graph);
  const bool is_square_grid = std::string_view(GetParam()).starts_with("her2st");
  const double radius = got.radius.front();
  EXPECT_GE(summary.mean, is_square_grid ? 6.5 : 5.4) << "radius " << radius;
  EXPECT_LE(summary.mean, is_square_grid ? 8.0 : 6.2) << "radius " << radius;
  if (std::string_view(GetParam()).starts_with("dlpfc") ||
      std::string_view(GetParam()).starts_with("visium")) {
    EXPECT_EQ(summary.max, 6) << "the ring of Visium's grid, radius " << radius;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, GoldenPreprocess,
                         ::testing::Values("dlpfc_151673", "dlpfc_151675", "her2st_A1",
                                           "osmfish_ssp_cortex", "slideseqv2_hippocampus_1052beads",
                                           "starmap_visual_cortex_BY3",
                                           "visium_mouse_cytassist_2898"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace stamarker::test
