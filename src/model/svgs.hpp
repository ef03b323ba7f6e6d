#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "model/options.hpp"

namespace stamarker {

/// Scores of all genes for all domains, and which genes are selected.
struct SvgTable {
  int n_domains = 0, n_genes = 0;
  std::vector<double> score;            // [C, G] = sqrt(squares)
  std::vector<std::uint8_t> selected;   // [C, G], 1: an SVG of the domain
  std::vector<double> stability;        // [C, G], share of models that select the gene
  std::vector<double> score_deviation;  // [C, G], standard deviation of the score over models

  /// Genes of domain k by decreasing score (ties: lower index first); all genes, selected or not.
  std::vector<std::int32_t> ranking(int k) const;
};

/// Genes with t(score) > mean + alpha sd over genes, population sd (docs/method.md: svgs;
/// zhanglabtools/STAMarker, stamarker/utils.py, select_svgs). score: [n_genes].
std::vector<std::uint8_t> select_svgs(std::span<const double> score, const SvgOptions& options);

/// squares: [C, G] and model_squares: [M, C, G], as TileSaliency, summed over tiles.
SvgTable make_svg_table(std::span<const double> squares, std::span<const double> model_squares,
                        int n_models, int n_domains, int n_genes, const SvgOptions& options);

}  // namespace stamarker
