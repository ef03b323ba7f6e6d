#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.hpp"
#include "data/gene_tally.hpp"

namespace stamarker {

/// What seurat_v3 expects of each gene: mean, variance (n - 1), and the standard deviation that
/// the loess of log10 variance on log10 mean gives. Genes of zero variance get 1.
struct GeneTrend {
  std::vector<double> means, variances, expected_sd;  // [genes.size()]
};
GeneTrend gene_trend(const GeneTally& tally, std::int64_t n_spots,
                     std::span<const std::int32_t> genes);

/// scanpy's highly_variable_genes(flavor="seurat_v3", span=0.3) for the given genes and n spots of
/// raw counts, several sections as one. With s_g the expected standard deviation of gene g,
///
///   limit_g = s_g sqrt(n) + mean_g,   x'_ig = min(x_ig, limit_g)
///   variances_norm_g = sum_i (x'_ig - mean_g)^2 / ((n - 1) s_g^2)
///
/// The n_top genes of largest variances_norm have rank 0, 1, ...; all others -1. Equal values are
/// ranked in the order of the genes; scanpy leaves them in the order of an unstable sort.
/// Source: scanpy 1.11 preprocessing/_highly_variable_genes.py, _highly_variable_genes_seurat_v3.
GeneStatistics highly_variable_genes(const GeneTally& tally, std::int64_t n_spots,
                                     std::span<const std::int32_t> genes, int n_top);

}  // namespace stamarker
