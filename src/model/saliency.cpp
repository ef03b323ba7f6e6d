#include "model/saliency.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "kernels/buffer.hpp"
#include "model/parameters.hpp"
#include "model/step_memory.hpp"

namespace stamarker {
namespace {

constexpr int spots_per_tile = 2048;  // S of a tile stays in some 25 MB at 3000 genes

/// squares[row[i], g] += t(s)^2 for all spots i, in their order.
void sum_squares(std::span<const float> saliency, std::span<const std::int32_t> row_of_spot,
                 int n_genes, SvgTransform transform, std::span<double> squares) {
  constexpr int columns = 64;
#pragma omp parallel for schedule(static)
  for (int first = 0; first < n_genes; first += columns) {
    const int last = std::min(n_genes, first + columns);
    for (std::size_t i = 0; i < row_of_spot.size(); ++i) {
      const float* row = saliency.data() + i * n_genes;
      double* to = squares.data() + static_cast<std::size_t>(row_of_spot[i]) * n_genes;
      for (int g = first; g < last; ++g) {
        const double value =
            transform == SvgTransform::log_saliency ? std::log1p(double(row[g])) : double(row[g]);
        to[g] += value * value;
      }
    }
  }
}

/// relu(dX) [n_own, G] of one model: encoder forward, classifier backward, encoder backward.
void model_saliency(Backend& backend, const DeviceTile& tile, StepMemory& memory,
                    const ParameterLayout& layout, const StackedModel& model, Attention attention,
                    Activation activation, Buffer<float>& weights, Matrix out) {
  const Classifier& classifier = *model.classifier;
  const MlpView mlp{classifier.widths.data(), static_cast<int>(classifier.widths.size()) - 1,
                    activation};
  const Buffer<float> layers(backend, std::span<const float>(classifier.parameters));
  weights.assign(model.parameters);
  StepView step = memory.step(tile, Neighbors::all);
  step.weights = layout.weights(weights.span().data);
  step.attention = attention;

  backend.project(step);
  backend.attend(step);
  backend.encode(step);
  backend.mlp_max_logit_gradient(mlp, layers.span(), step.z, step.d_z);
  backend.clear(step.d_alpha.data, static_cast<std::size_t>(tile.n_edges()) * sizeof(float));
  backend.latent_backward(step);
  backend.encoder_backward(step);
  backend.input_saliency(ConstMatrix(step.y).rows(step.tile.n_own), step.weights.w1, out);
}

}  // namespace

int saliency_tiles(int n_spots) { return (n_spots + spots_per_tile - 1) / spots_per_tile; }

Tiling saliency_tiling(const PreparedData& data) {
  const int n_spots = data.n_spots();
  const std::vector<double> weight(static_cast<std::size_t>(n_spots), 1.0);
  return {data.graph, bisect(data.coordinates, weight, saliency_tiles(n_spots)), Halo::attending};
}

TileSaliency tile_saliency(Backend& backend, const Tile& tile, const ExpressionRows& expression,
                           std::span<const StackedModel> models,
                           const AutoencoderOptions& autoencoder,
                           const ClassifierOptions& classifier,
                           std::span<const std::int32_t> domain, SvgTransform transform) {
  expects(!models.empty(), "saliency of at least one model");
  const DeviceTile device_tile(backend, tile, expression);
  TileExtent extent;
  extent.cover(device_tile);
  StepMemory memory(backend, extent, autoencoder.n_hidden, autoencoder.n_latent);
  const int n_genes = device_tile.n_genes();
  const ParameterLayout layout{n_genes, autoencoder.n_hidden, autoencoder.n_latent,
                               autoencoder.tied_update};
  const auto n_models = static_cast<int>(models.size());

  TileSaliency result;
  result.spots.assign(tile.spots.begin(), tile.spots.begin() + tile.n_own);
  result.saliency.assign(result.spots.size() * n_genes, 0.0f);
  std::vector<std::int32_t> row;  // of each own spot in the sums
  row.reserve(result.spots.size());
  for (const std::int32_t spot : result.spots) row.push_back(domain[spot]);
  result.domains = row;
  std::ranges::sort(result.domains);
  result.domains.erase(std::unique(result.domains.begin(), result.domains.end()),
                       result.domains.end());
  for (std::int32_t& of_spot : row)
    of_spot = static_cast<std::int32_t>(std::ranges::lower_bound(result.domains, of_spot) -
                                        result.domains.begin());
  const std::size_t table = result.domains.size() * n_genes;
  result.squares.assign(table, 0.0);
  result.model_squares.assign(table * n_models, 0.0);
  Buffer<float> weights(backend, layout.n_weights());
  Buffer<float> one(backend, result.saliency.size());
  std::vector<float> host(result.saliency.size());
  for (int m = 0; m < n_models; ++m) {
    model_saliency(backend, device_tile, memory, layout, models[m], autoencoder.attention,
                   classifier.activation, weights,
                   one.matrix(static_cast<int>(result.spots.size()), n_genes));
    backend.synchronize();
    backend.download(one.span().data, host.data(), host.size() * sizeof(float));
    sum_squares(host, row, n_genes, transform,
                std::span(result.model_squares).subspan(m * table, table));
    for (std::size_t k = 0; k < host.size(); ++k) result.saliency[k] += host[k];
  }
  for (float& s : result.saliency) s /= static_cast<float>(n_models);
  sum_squares(result.saliency, row, n_genes, transform, result.squares);
  return result;
}

void add_squares(const TileSaliency& tile, int n_genes, std::span<double> squares,
                 std::span<double> model_squares) {
  const std::size_t row = static_cast<std::size_t>(n_genes);
  const std::size_t n_models = model_squares.size() / squares.size();
  expects(tile.squares.size() == tile.domains.size() * row &&
              tile.model_squares.size() == tile.squares.size() * n_models,
          "sums of as many genes and models as the section's");
  const auto add = [&](std::span<const double> of_tile, std::span<double> of_section) {
    for (std::size_t d = 0; d < tile.domains.size(); ++d)
      for (std::size_t g = 0; g < row; ++g)
        of_section[tile.domains[d] * row + g] += of_tile[d * row + g];
  };
  add(tile.squares, squares);
  for (std::size_t m = 0; m < n_models; ++m)
    add(std::span(tile.model_squares).subspan(m * tile.squares.size(), tile.squares.size()),
        model_squares.subspan(m * squares.size(), squares.size()));
}

}  // namespace stamarker
