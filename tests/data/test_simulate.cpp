#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "data/simulate.hpp"
#include "data/spatial_graph.hpp"
#include "support/message_of.hpp"

namespace stamarker::test {
namespace {

/// Counts of each gene summed over the spots for which `is_in` holds, divided by their number.
std::vector<double> mean_counts(const SparseRows& counts, const std::function<bool(int)>& is_in) {
  std::vector<double> mean(counts.n_cols);
  int n_spots = 0;
  for (int i = 0; i < counts.n_rows; ++i) {
    if (!is_in(i)) continue;
    ++n_spots;
    for (auto k = counts.row_start[i]; k < counts.row_start[i + 1]; ++k)
      mean[counts.column[k]] += counts.value[k];
  }
  for (double& value : mean) value /= n_spots;
  return mean;
}

TEST(Simulation, GivesTheSameRowsInAnyBlocks) {
  const Simulation simulation({.n_spots = 201, .n_genes = 301});
  const SparseRows whole = simulation.rows(0, 201);
  SparseRows joined = simulation.rows(0, 50);
  for (const auto& [first, last] : {std::pair{50, 51}, std::pair{51, 51}, std::pair{51, 201}}) {
    const SparseRows block = simulation.rows(first, last);
    joined.column.insert(joined.column.end(), block.column.begin(), block.column.end());
    joined.value.insert(joined.value.end(), block.value.begin(), block.value.end());
  }

  EXPECT_EQ(joined.column, whole.column);
  EXPECT_EQ(joined.value, whole.value);
  EXPECT_NE(Simulation({.n_spots = 201, .n_genes = 301, .seed = 1}).rows(0, 201).value,
            whole.value);
}

// Numbers of the first version, which looked at every entry. A zero that is told from its random
// word must be one, whatever the spread of depths, the folds and the size.
TEST(Simulation, SkipsOnlyWhatIsZero) {
  const auto sums_of = [](const SimulateOptions& options) {
    const SparseRows counts = Simulation(options).rows(0, options.n_spots);
    return std::pair(counts.n_entries(),
                     std::accumulate(counts.value.begin(), counts.value.end(), 0.0));
  };
  using Sums = std::pair<std::int64_t, double>;
  EXPECT_EQ(sums_of({.n_spots = 300,
                     .gradient_fold = 900,
                     .mean_counts = 30000,
                     .depth_spread = 2,
                     .dispersion = 3,
                     .dropout = 0.6}),
            Sums(69750, 8845256));
  EXPECT_EQ(sums_of({.n_spots = 500, .n_genes = 301, .depth_spread = 0, .dropout = 0}),
            Sums(99127, 876677));
  EXPECT_EQ(
      sums_of(
          {.n_spots = 60, .n_genes = 3001, .gene_spread = 3, .depth_spread = 3, .dropout = 0.9}),
      Sums(1374, 62306));
}

TEST(Simulation, HasTheSizesAndKindsAskedFor) {
  const SimulateOptions options;
  const SimulatedSection section = simulate(options);

  EXPECT_EQ(section.data.n_spots(), options.n_spots);
  EXPECT_EQ(section.data.n_genes(), options.n_genes);
  EXPECT_EQ(section.data.coordinates.n_spots(), options.n_spots);
  EXPECT_EQ(section.data.spot_names.back(), "spot_0001999");
  EXPECT_EQ(std::ranges::count(section.truth.kind, GeneKind::gradient), options.n_gradient_genes);
  for (int d = 0; d < options.n_domains; ++d) {
    EXPECT_EQ(std::ranges::count(section.truth.gene_domain, d), options.svgs_per_domain);
    EXPECT_GT(std::ranges::count(section.truth.domain, d), options.n_spots / 20);
  }
  for (int g = 0; g < options.n_genes; ++g)
    EXPECT_EQ(section.truth.kind[g] == GeneKind::domain_svg, section.truth.gene_domain[g] >= 0);
}

TEST(Simulation, HasTheMeanAndTheVarianceOfItsDistribution) {
  // No fold and no depth: every entry of gene g has mean base_g and variance base_g + phi base_g^2.
  const SimulateOptions options{.n_spots = 20000,
                                .n_genes = 40,
                                .svgs_per_domain = 0,
                                .n_gradient_genes = 0,
                                .mean_counts = 200,
                                .depth_spread = 0,
                                .dispersion = 0.5,
                                .dropout = 0};
  const SparseRows counts = Simulation(options).rows(0, options.n_spots);
  const std::vector<double> mean = mean_counts(counts, [](int) { return true; });
  std::vector<double> squares(40);
  for (std::size_t k = 0; k < counts.value.size(); ++k)
    squares[counts.column[k]] += std::pow(counts.value[k], 2) / options.n_spots;

  // Standard error of the sum of 40 means and of a variance of an overdispersed count.
  EXPECT_NEAR(std::accumulate(mean.begin(), mean.end(), 0.0), 200, 1);
  for (int g = 0; g < 40; ++g) {
    const double wanted = mean[g] + 0.5 * mean[g] * mean[g];
    EXPECT_NEAR(squares[g] - mean[g] * mean[g], wanted, 0.1 * wanted) << "gene " << g;
  }
}

TEST(Simulation, LosesTheShareOfEntriesAskedFor) {
  SimulateOptions options{.n_spots = 500,
                          .n_genes = 20,
                          .svgs_per_domain = 0,
                          .n_gradient_genes = 0,
                          .mean_counts = 20 * 1000,
                          .gene_spread = 0,
                          .depth_spread = 0,
                          .dispersion = 0.05,
                          .dropout = 0.3};
  const SparseRows counts = Simulation(options).rows(0, 500);

  // 10,000 entries of mean 1000 / 0.7 where not lost: none is zero by itself. Five standard errors,
  // of a share and of a mean of entries that are 0 or about 1430 +- 320.
  EXPECT_NEAR(1 - counts.n_entries() / 10000.0, 0.3, 5 * std::sqrt(0.3 * 0.7 / 10000));
  const double total = std::accumulate(counts.value.begin(), counts.value.end(), 0.0);
  EXPECT_NEAR(total / 10000, 1000, 5 * 710 / std::sqrt(10000));
}

TEST(Simulation, RaisesDomainSvgsInTheirDomainAndNothingElse) {
  const SimulateOptions options{.n_spots = 4000, .depth_spread = 0, .dispersion = 0.05};
  const SimulatedSection section = simulate(options);
  const auto& truth = section.truth;
  for (int d = 0; d < options.n_domains; ++d) {
    const auto inside =
        mean_counts(section.data.counts, [&](int i) { return truth.domain[i] == d; });
    const auto outside =
        mean_counts(section.data.counts, [&](int i) { return truth.domain[i] != d; });
    double own_in = 0, own_out = 0, noise_in = 0, noise_out = 0;
    for (int g = 0; g < options.n_genes; ++g) {
      if (truth.gene_domain[g] == d) {
        own_in += inside[g];
        own_out += outside[g];
      } else if (truth.kind[g] == GeneKind::noise) {
        noise_in += inside[g];
        noise_out += outside[g];
      }
    }
    EXPECT_NEAR(own_in / own_out, options.fold_change, 0.05 * options.fold_change);
    EXPECT_NEAR(noise_in / noise_out, 1, 0.02);
  }
}

TEST(Simulation, HasDomainsThatAreContiguousInSpace) {
  for (const DomainShape shape : {DomainShape::layers, DomainShape::blobs})
    for (const SpotLayout layout : {SpotLayout::hexagonal, SpotLayout::random}) {
      const Simulation simulation({.layout = layout, .shape = shape});
      const std::vector<std::int32_t> section(simulation.n_spots(), 0);
      const double radius = automatic_radii({simulation.coordinates(), section}).front();
      const SpatialGraph graph = radius_graph({simulation.coordinates(), section}, radius, 50);

      const GraphSummary summary = summary_of(graph);
      std::int64_t n_same = 0;
      for (int i = 0; i < graph.n_spots(); ++i)
        for (auto e = graph.row_start[i]; e < graph.row_start[i + 1]; ++e)
          n_same += simulation.truth().domain[graph.source[e]] == simulation.truth().domain[i];

      EXPECT_GT(n_same, 0.8 * static_cast<double>(graph.n_edges()));
      EXPECT_NEAR(summary.mean, 6, 0.4);
    }
}

TEST(SimulateOptions, NamesTheOptionThatIsOutOfRange) {
  const auto message = [](const SimulateOptions& options) {
    return message_of([&] { options.validate(); });
  };
  EXPECT_EQ(message({}), "no InputError");
  EXPECT_EQ(message({.n_spots = 50}),
            "simulate.n_spots = 50 (must be at least 10 for each domain)");
  EXPECT_EQ(message({.n_genes = 200}),
            "simulate.n_genes = 200 (must hold svgs_per_domain x n_domains + n_gradient_genes)");
  EXPECT_EQ(message({.dropout = 1}), "simulate.dropout = 1 (must lie in 0 .. 0.95)");
  EXPECT_EQ(message({.fold_change = NAN}), "simulate.fold_change = nan (must lie in 1 .. 1000)");
}

}  // namespace
}  // namespace stamarker::test
