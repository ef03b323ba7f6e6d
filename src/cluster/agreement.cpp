#include <numeric>

#include "base/error.hpp"
#include "cluster/consensus.hpp"
#include "cluster/numbering.hpp"

namespace stamarker {
namespace {

double pairs(double n) { return n * (n - 1) / 2; }

double pairs_of_counts(std::span<const std::int32_t> counts) {
  double sum = 0;
  for (const std::int32_t n : counts) sum += pairs(n);
  return sum;
}

double pairs_inside(const Numbered& groups) {
  std::vector<std::int32_t> size(groups.n_values, 0);
  for (const std::int32_t group : groups.number) ++size[group];
  return pairs_of_counts(size);
}

/// As pairs_inside_both where the table of all pairs of groups would not fit: group by group of a,
/// its points are counted by their groups of b.
double pairs_inside_both_by_group(const Numbered& a, const Numbered& b) {
  std::vector<std::size_t> start(static_cast<std::size_t>(a.n_values) + 1, 0);
  for (const std::int32_t group : a.number) ++start[group + 1];
  for (std::int32_t group = 0; group < a.n_values; ++group) start[group + 1] += start[group];
  std::vector<std::int32_t> b_of(a.number.size());
  auto next = start;
  for (std::size_t i = 0; i < a.number.size(); ++i) b_of[next[a.number[i]]++] = b.number[i];

  std::vector<double> count(b.n_values, 0);
  double sum = 0;
  for (std::int32_t group = 0; group < a.n_values; ++group) {
    for (std::size_t p = start[group]; p < start[group + 1]; ++p) sum += count[b_of[p]]++;
    for (std::size_t p = start[group]; p < start[group + 1]; ++p) count[b_of[p]] = 0;
  }
  return sum;
}

/// Pairs of points that share a group in both partitions.
double pairs_inside_both(const Numbered& a, const Numbered& b) {
  constexpr std::size_t most_cells = 1 << 14;  // of a table that stays in the first caches
  const std::size_t n_b = b.n_values, n_cells = a.n_values * n_b;
  if (n_cells > most_cells) return pairs_inside_both_by_group(a, b);
  std::vector<std::int32_t> count(n_cells, 0);
  for (std::size_t i = 0; i < a.number.size(); ++i) ++count[a.number[i] * n_b + b.number[i]];
  return pairs_of_counts(count);
}

double adjusted_rand_index(const Numbered& a, const Numbered& b) {
  const double all = pairs(static_cast<double>(a.number.size()));
  const double in_a = pairs_inside(a), in_b = pairs_inside(b), most = (in_a + in_b) / 2;
  const double by_chance = all > 0 ? in_a / all * in_b : 0;
  return most == by_chance ? 1 : (pairs_inside_both(a, b) - by_chance) / (most - by_chance);
}

}  // namespace

double adjusted_rand_index(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  expects(a.size() == b.size(), "both partitions have the same points");
  return adjusted_rand_index(numbered(a), numbered(b));
}

double mean_agreement(std::span<const std::int32_t> labels, int n_models) {
  expects(n_models > 0 && labels.size() % n_models == 0, "labels are [n_models, n_spots]");
  const std::size_t n_spots = labels.size() / n_models;
  std::vector<Numbered> models;
  models.reserve(n_models);
  for (int m = 0; m < n_models; ++m)
    models.push_back(numbered(labels.subspan(m * n_spots, n_spots)));
  std::vector<double> with_later(static_cast<std::size_t>(n_models), 0);
#pragma omp parallel for schedule(dynamic, 1)
  for (int m = 0; m < n_models; ++m)
    for (int other = m + 1; other < n_models; ++other)
      with_later[m] += adjusted_rand_index(models[m], models[other]);
  const double sum = std::accumulate(with_later.begin(), with_later.end(), 0.0);
  return n_models == 1 ? 1 : sum / pairs(n_models);
}

}  // namespace stamarker
