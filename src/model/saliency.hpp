#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.hpp"
#include "data/expression_rows.hpp"
#include "data/tiles.hpp"
#include "kernels/backend.hpp"
#include "model/classifier.hpp"
#include "model/options.hpp"

namespace stamarker {

/// What saliency needs of one model.
struct StackedModel {
  std::span<const float> parameters;  // of the auto-encoder, see parameters.hpp
  const Classifier* classifier = nullptr;
};

/// Saliency of the own spots of one tile, and its contribution to the scores.
struct TileSaliency {
  std::vector<std::int32_t> spots;    // [n_own], indices into the section
  std::vector<float> saliency;        // S [n_own, n_genes] = mean over models of relu(dX)
  std::vector<std::int32_t> domains;  // [D] those that own spots have, ascending
  std::vector<double> squares;        // [D, G] sums of t(S)^2 over the spots of a domain
  std::vector<double> model_squares;  // [M, D, G] the same of each model's own relu(dX)
};

/// How many tiles saliency cuts a section into: a function of the section alone, never of ranks.
int saliency_tiles(int n_spots);

/// These tiles. `data` must outlive them.
Tiling saliency_tiling(const PreparedData& data);

/// Saliency of a tile with Halo::attending (docs/method.md: saliency), of whose spots alone
/// `expression` is read. domain: [n_spots of the section]. `transform` log_saliency squares log(1 +
/// S) instead of S. Depends on no other tile; not collective. Source of the method:
/// zhanglabtools/STAMarker, stamarker/pipeline.py, compute_smaps.
TileSaliency tile_saliency(Backend& backend, const Tile& tile, const ExpressionRows& expression,
                           std::span<const StackedModel> models,
                           const AutoencoderOptions& autoencoder,
                           const ClassifierOptions& classifier,
                           std::span<const std::int32_t> domain, SvgTransform transform);

/// Adds the sums of a tile to those of the section, squares [C, G] and model_squares [M, C, G].
void add_squares(const TileSaliency& tile, int n_genes, std::span<double> squares,
                 std::span<double> model_squares);

}  // namespace stamarker
