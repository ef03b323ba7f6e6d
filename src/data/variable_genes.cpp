#include "data/variable_genes.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "data/loess.hpp"

namespace stamarker {
namespace {

/// Calls visit(partial sums of this thread, column, value) for all entries of the rows and then
/// adds the partial sums. Exact for integers, hence independent of the number of threads.
template <class Sums, class Visit, class Merge>
void accumulate(const SparseRows& m, std::span<const std::int32_t> rows, const Sums& zero,
                Visit visit, Merge merge) {
  const auto n_rows = static_cast<std::int64_t>(rows.size());
#pragma omp parallel
  {
    Sums mine = zero;
#pragma omp for schedule(static) nowait
    for (std::int64_t r = 0; r < n_rows; ++r)
      for (std::int64_t k = m.row_start[rows[r]]; k < m.row_start[rows[r] + 1]; ++k)
        visit(mine, m.column[k], static_cast<double>(m.value[k]));
#pragma omp critical(stamarker_gene_sums)
    merge(mine);
  }
}

template <class T>
void add_to(std::vector<T>& total, const std::vector<T>& part) {
  std::transform(total.begin(), total.end(), part.begin(), total.begin(), std::plus<>());
}

struct Partial {
  std::vector<double> sum, square_sum, count;
  explicit Partial(std::size_t n) : sum(n), square_sum(n), count(n) {}
};

}  // namespace

GeneSums::GeneSums(int n_genes) : sum(n_genes), square_sum(n_genes), n_nonzero(n_genes) {}

void GeneSums::add(const SparseRows& counts, std::span<const std::int32_t> rows) {
  expects(counts.n_cols == static_cast<int>(sum.size()), "as many columns as genes");
  accumulate(
      counts, rows, Partial(sum.size()),
      [](Partial& mine, std::int32_t gene, double count) {
        mine.sum[gene] += count;
        mine.square_sum[gene] += count * count;
        mine.count[gene] += count != 0;
      },
      [this](const Partial& mine) {
        add_to(sum, mine.sum);
        add_to(square_sum, mine.square_sum);
        for (std::size_t g = 0; g < n_nonzero.size(); ++g)
          n_nonzero[g] += static_cast<std::int64_t>(mine.count[g]);
      });
  n_spots += static_cast<std::int64_t>(rows.size());
}

ClippedSums::ClippedSums(std::vector<double> limit_of_gene)
    : limit(std::move(limit_of_gene)),
      below_sum(limit.size()),
      below_square_sum(limit.size()),
      n_above(limit.size()) {}

void ClippedSums::add(const SparseRows& counts, std::span<const std::int32_t> rows) {
  expects(counts.n_cols == static_cast<int>(limit.size()), "as many columns as genes");
  accumulate(
      counts, rows, Partial(limit.size()),
      [this](Partial& mine, std::int32_t gene, double count) {
        const double below = count <= limit[gene] ? count : 0;
        mine.sum[gene] += below;
        mine.square_sum[gene] += below * below;
        mine.count[gene] += count > limit[gene];
      },
      [this](const Partial& mine) {
        add_to(below_sum, mine.sum);
        add_to(below_square_sum, mine.square_sum);
        add_to(n_above, mine.count);
      });
}

GeneTrend gene_trend(const GeneSums& sums, std::span<const std::int32_t> genes) {
  expects(sums.n_spots > 1, "a variance over at least two spots");
  const auto n = static_cast<double>(sums.n_spots);
  GeneTrend trend;
  std::vector<double> log_mean, log_variance;
  for (const std::int32_t g : genes) {
    const double mean = sums.sum[g] / n;
    const double variance = std::max(0.0, (sums.square_sum[g] - sums.sum[g] * mean) / (n - 1));
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

GeneStatistics highly_variable_genes(const SparseRows& counts, std::span<const std::int32_t> spots,
                                     std::span<const std::int32_t> genes, int n_top) {
  GeneSums sums(counts.n_cols);
  sums.add(counts, spots);
  const GeneTrend trend = gene_trend(sums, genes);

  const auto n = static_cast<double>(sums.n_spots);
  std::vector<double> limit(static_cast<std::size_t>(counts.n_cols));
  for (std::size_t k = 0; k < genes.size(); ++k)
    limit[genes[k]] = trend.expected_sd[k] * std::sqrt(n) + trend.means[k];
  ClippedSums clipped(std::move(limit));
  clipped.add(counts, spots);

  GeneStatistics result{trend.means, trend.variances, {}, {}};
  for (std::size_t k = 0; k < genes.size(); ++k) {
    const double mean = trend.means[k], sd = trend.expected_sd[k];
    const double squares =
        n * (mean * mean) + clipped.square_sum(genes[k]) - 2 * clipped.sum(genes[k]) * mean;
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
