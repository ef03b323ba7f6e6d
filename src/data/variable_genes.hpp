#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.hpp"

namespace stamarker {

/// Sums over spots for every gene, added block of rows by block of rows, so that a table larger
/// than memory needs one block at a time. Counts are integers: sums below 2^53 are exact, and so
/// the same in any order and for any number of threads.
struct GeneSums {
  explicit GeneSums(int n_genes);

  /// Adds the given rows of `counts`; columns are the genes.
  void add(const SparseRows& counts, std::span<const std::int32_t> rows);

  std::int64_t n_spots = 0;
  std::vector<double> sum, square_sum;  // [n_genes]
  std::vector<std::int64_t> n_nonzero;  // [n_genes], spots in which the gene is seen
};

/// The same of counts cut at a limit for each gene. What lies above the limit is counted, not
/// added, so that the integer sums stay exact.
struct ClippedSums {
  explicit ClippedSums(std::vector<double> limit_of_gene);

  void add(const SparseRows& counts, std::span<const std::int32_t> rows);
  double sum(int gene) const { return below_sum[gene] + n_above[gene] * limit[gene]; }
  double square_sum(int gene) const {
    return below_square_sum[gene] + n_above[gene] * (limit[gene] * limit[gene]);
  }

  std::vector<double> limit;                        // [n_genes]
  std::vector<double> below_sum, below_square_sum;  // [n_genes], of counts up to the limit
  std::vector<double> n_above;                      // [n_genes], spots above the limit
};

/// What seurat_v3 expects of each gene: mean, variance (n - 1), and the standard deviation that
/// the loess of log10 variance on log10 mean gives. Genes of zero variance get 1.
struct GeneTrend {
  std::vector<double> means, variances, expected_sd;  // [genes.size()]
};
GeneTrend gene_trend(const GeneSums& sums, std::span<const std::int32_t> genes);

/// scanpy's highly_variable_genes(flavor="seurat_v3", span=0.3) for the given rows and columns of
/// raw counts, several sections as one. With s_g the expected standard deviation of gene g,
///
///   limit_g = s_g sqrt(n) + mean_g,   x'_ig = min(x_ig, limit_g)
///   variances_norm_g = sum_i (x'_ig - mean_g)^2 / ((n - 1) s_g^2)
///
/// The n_top genes of largest variances_norm have rank 0, 1, ...; all others -1. Equal values are
/// ranked in the order of the genes; scanpy leaves them in the order of an unstable sort.
/// Source: scanpy 1.11 preprocessing/_highly_variable_genes.py, _highly_variable_genes_seurat_v3.
GeneStatistics highly_variable_genes(const SparseRows& counts, std::span<const std::int32_t> spots,
                                     std::span<const std::int32_t> genes, int n_top);

}  // namespace stamarker
