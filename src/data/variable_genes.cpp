#include "data/variable_genes.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "data/loess.hpp"

namespace stamarker {
GeneTrend gene_trend(const GeneTally& tally, std::int64_t n_spots,
                     std::span<const std::int32_t> genes) {
  expects(n_spots > 1, "a variance over at least two spots");
  const auto n = static_cast<double>(n_spots);
  GeneTrend trend;
  std::vector<double> log_mean, log_variance;
  for (const std::int32_t g : genes) {
    double sum = 0, square_sum = 0;  // of integers: exact below 2^53, hence in any order
    tally.each(g, [&](double count, std::int64_t n_with) {
      sum += count * static_cast<double>(n_with);
      square_sum += count * count * static_cast<double>(n_with);
    });
    const double mean = sum / n;
    const double variance = std::max(0.0, (square_sum - sum * mean) / (n - 1));
    trend.means.push_back(mean);
    trend.variances.push_back(variance);
    if (variance == 0) continue;
    log_mean.push_back(std::log10(mean));
    log_variance.push_back(std::log10(variance));
  }
  const std::vector<double> fitted = loess(log_mean, log_variance);
  auto next = fitted.begin();
  for (const double variance : trend.variances)
    trend.expected_sd.push_back(variance == 0 ? 1 : std::sqrt(std::pow(10.0, *next++)));
  return trend;
}

GeneStatistics highly_variable_genes(const GeneTally& tally, std::int64_t n_spots,
                                     std::span<const std::int32_t> genes, int n_top) {
  const GeneTrend trend = gene_trend(tally, n_spots, genes);
  const auto n = static_cast<double>(n_spots);
  GeneStatistics result{trend.means, trend.variances, {}, {}};
  for (std::size_t k = 0; k < genes.size(); ++k) {
    const double mean = trend.means[k], sd = trend.expected_sd[k];
    const double limit = sd * std::sqrt(n) + mean;
    double below_sum = 0, below_square_sum = 0, n_above = 0;  // integers again
    tally.each(genes[k], [&](double count, std::int64_t n_with) {
      const auto times = static_cast<double>(n_with);
      if (count > limit) {
        n_above += times;
      } else {
        below_sum += count * times;
        below_square_sum += count * count * times;
      }
    });
    const double sum = below_sum + n_above * limit;
    const double square_sum = below_square_sum + n_above * (limit * limit);
    const double squares = n * (mean * mean) + square_sum - 2 * sum * mean;
    result.variances_norm.push_back(squares / ((n - 1) * (sd * sd)));
  }
  std::vector<std::int32_t> order(genes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return result.variances_norm[a] > result.variances_norm[b];
  });
  result.rank.assign(genes.size(), -1);
  const int n_selected = std::min(n_top, static_cast<int>(genes.size()));
  for (int r = 0; r < n_selected; ++r) result.rank[order[r]] = r;
  return result;
}

}  // namespace stamarker
