#include "model/svgs.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"

namespace stamarker {
namespace {

std::vector<double> square_roots(std::span<const double> squares) {
  std::vector<double> roots(squares.size());
  std::transform(squares.begin(), squares.end(), roots.begin(),
                 [](double s) { return std::sqrt(s); });
  return roots;
}

}  // namespace

std::vector<std::int32_t> SvgTable::ranking(int k) const {
  const double* of_domain = score.data() + static_cast<std::size_t>(k) * n_genes;
  std::vector<std::int32_t> genes(static_cast<std::size_t>(n_genes));
  std::iota(genes.begin(), genes.end(), 0);
  std::stable_sort(genes.begin(), genes.end(),
                   [&](std::int32_t a, std::int32_t b) { return of_domain[a] > of_domain[b]; });
  return genes;
}

std::vector<std::uint8_t> select_svgs(std::span<const double> score, const SvgOptions& options) {
  std::vector<double> value(score.begin(), score.end());
  if (options.transform == SvgTransform::log_score)
    for (double& v : value) v = std::log(v + 1e-3);
  const double n = static_cast<double>(value.size());
  const double mean = std::accumulate(value.begin(), value.end(), 0.0) / n;
  double variance = 0;
  for (const double v : value) variance += (v - mean) * (v - mean) / n;
  const double threshold = mean + options.alpha * std::sqrt(variance);
  std::vector<std::uint8_t> selected(value.size());
  std::transform(value.begin(), value.end(), selected.begin(),
                 [&](double v) { return static_cast<std::uint8_t>(v > threshold); });
  return selected;
}

SvgTable make_svg_table(std::span<const double> squares, std::span<const double> model_squares,
                        int n_models, int n_domains, int n_genes, const SvgOptions& options) {
  const std::size_t width = static_cast<std::size_t>(n_genes), table = width * n_domains;
  expects(squares.size() == table && model_squares.size() == table * n_models,
          "scores of all domains, genes and models");
  SvgTable result;
  result.n_domains = n_domains;
  result.n_genes = n_genes;
  result.score = square_roots(squares);
  result.stability.assign(table, 0.0);
  result.score_deviation.assign(table, 0.0);
  const std::vector<double> model_score = square_roots(model_squares);
  for (int k = 0; k < n_domains; ++k) {
    const auto chosen = select_svgs(std::span(result.score).subspan(k * width, width), options);
    result.selected.insert(result.selected.end(), chosen.begin(), chosen.end());
    for (int m = 0; m < n_models; ++m) {
      const auto of_model =
          select_svgs(std::span(model_score).subspan(m * table + k * width, width), options);
      for (std::size_t g = 0; g < width; ++g)
        result.stability[k * width + g] += of_model[g] / static_cast<double>(n_models);
    }
  }
  for (std::size_t at = 0; at < table; ++at) {
    double mean = 0, variance = 0;
    for (int m = 0; m < n_models; ++m) mean += model_score[m * table + at] / n_models;
    for (int m = 0; m < n_models; ++m)
      variance += std::pow(model_score[m * table + at] - mean, 2) / n_models;
    result.score_deviation[at] = std::sqrt(variance);
  }
  return result;
}

}  // namespace stamarker
