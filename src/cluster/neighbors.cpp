#include "cluster/neighbors.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "base/instruction_sets.hpp"

namespace stamarker {
namespace {

constexpr int block_points = 256;  // candidates that stay in cache while many points pass
constexpr int lanes = 16;          // candidates measured side by side
// Single precision sums of at most a few thousand squares: a distance found larger than this much
// above the farthest kept one is larger in exact arithmetic too.
constexpr float margin = 1.0f + 1e-3f;

/// Candidates of one block with their dimensions in the outer place, so that `lanes` of them are
/// measured at once: [block / lanes][n_dims][lanes].
std::vector<float> interleaved(std::span<const float> points, int n_dims, int first, int n) {
  std::vector<float> block(static_cast<std::size_t>(block_points) * n_dims, 0);
  for (int c = 0; c < n; ++c)
    for (int d = 0; d < n_dims; ++d)
      block[(static_cast<std::size_t>(c / lanes) * n_dims + d) * lanes + c % lanes] =
          points[static_cast<std::size_t>(first + c) * n_dims + d];
  return block;
}

/// squared[c] = |point - candidate c|^2 for a whole block, in single precision.
STM_VECTOR_CLONES void measure(const float* block, const float* point, int n_dims, float* squared) {
  for (int group = 0; group < block_points / lanes; ++group) {
    float sum[lanes] = {};
    const float* candidates = block + static_cast<std::size_t>(group) * n_dims * lanes;
    for (int d = 0; d < n_dims; ++d)
      for (int lane = 0; lane < lanes; ++lane) {
        const float difference = candidates[d * lanes + lane] - point[d];
        sum[lane] += difference * difference;
      }
    for (int lane = 0; lane < lanes; ++lane) squared[group * lanes + lane] = sum[lane];
  }
}

double exact_square(const float* a, const float* b, int n_dims) {
  double sum = 0;
  for (int d = 0; d < n_dims; ++d) {
    const double difference = static_cast<double>(a[d]) - b[d];
    sum += difference * difference;
  }
  return sum;
}

/// The nearest so far, the farthest of them on top; pairs compare by distance, then by index.
using Nearest = std::vector<std::pair<double, std::int32_t>>;

void offer(Nearest& nearest, std::size_t n_nearest, std::pair<double, std::int32_t> candidate) {
  if (nearest.size() == n_nearest) {
    if (!(candidate < nearest.front())) return;
    std::ranges::pop_heap(nearest);
    nearest.back() = candidate;
  } else {
    nearest.push_back(candidate);
  }
  std::ranges::push_heap(nearest);
}

/// The distance beyond which UMAP's weight of an edge is 0 in single precision.
/// distances: of one point to its nearest others, ascending; mean: of all points' distances, with
/// the 0 to itself, as umap-learn counts.
double farthest_with_weight(std::span<const double> distances, double mean) {
  const auto positive = std::ranges::upper_bound(distances, 0.0);
  const double rho = positive == distances.end() ? 0 : *positive;
  const double n_neighbors = static_cast<double>(distances.size()) + 1;
  const double target = std::log2(n_neighbors);
  double low = 0, high = std::numeric_limits<double>::infinity(), sigma = 1;
  for (int step = 0; step < 64; ++step) {
    double sum = 0;
    for (const double d : distances) sum += d > rho ? std::exp(-(d - rho) / sigma) : 1;
    if (std::abs(sum - target) < 1e-5) break;
    (sum > target ? high : low) = sigma;
    sigma = std::isinf(high) ? 2 * sigma : (low + high) / 2;
  }
  double own_mean = mean;
  if (rho > 0) own_mean = std::accumulate(distances.begin(), distances.end(), 0.0) / n_neighbors;
  sigma = std::max(sigma, 1e-3 * own_mean);
  const double log_least = std::log(0.5 * std::numeric_limits<float>::denorm_min());
  return rho - sigma * log_least;
}

void check_points(std::span<const float> points, int n_dims) {
  expects(n_dims > 0 && points.size() % n_dims == 0, "points are [n_points, n_dims]");
  if (!std::ranges::all_of(points, [](float x) { return std::isfinite(x); }))
    throw InputError(
        "the embedding holds a value that is not finite (training diverged; lower "
        "autoencoder.learning_rate)");
}

/// How many of its nearest points each point keeps: those whose weight is not 0.
std::vector<int> n_kept(const NearestPoints& nearest, int n) {
  const std::span<const double> distances(nearest.distance);
  const std::size_t n_nearest = distances.size() / n;
  double mean = 0;
  for (const double d : distances) mean += d / (static_cast<double>(n) * (n_nearest + 1.0));
  std::vector<int> kept(static_cast<std::size_t>(n));
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n; ++i) {
    const auto of_point = distances.subspan(i * n_nearest, n_nearest);
    const double reach = farthest_with_weight(of_point, mean);
    kept[i] = static_cast<int>(std::ranges::upper_bound(of_point, reach) - of_point.begin());
  }
  return kept;
}

/// Edges both ways between every point and the nearest that it keeps, each once.
void connect(const NearestPoints& nearest, int n, NeighborGraph& graph) {
  const std::size_t n_nearest = nearest.index.size() / n;
  const std::vector<int> kept = n_kept(nearest, n);
  const auto each_edge = [&](auto use) {
    for (int i = 0; i < n; ++i)
      for (int k = 0; k < kept[i]; ++k) {
        use(i, nearest.index[i * n_nearest + k]);
        use(nearest.index[i * n_nearest + k], i);
      }
  };
  std::vector<std::int64_t> next(static_cast<std::size_t>(n) + 1, 0);
  each_edge([&](int i, int) { ++next[i + 1]; });
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<std::int32_t>& neighbor = graph.neighbor;
  neighbor.resize(next[n]);
  const std::vector<std::int64_t> start = next;
  each_edge([&](int i, int j) { neighbor[next[i]++] = j; });

  std::int64_t end = 0;  // of what is kept: an edge found from both ends stands twice
  for (int i = 0; i < n; ++i) {
    const auto first = neighbor.begin() + start[i], last = neighbor.begin() + start[i + 1];
    std::sort(first, last);
    end = std::unique_copy(first, last, neighbor.begin() + end) - neighbor.begin();
    graph.row_start.push_back(end);
  }
  neighbor.resize(end);
}

}  // namespace

NearestPoints nearest_points(std::span<const float> points, int n_dims, int n_nearest) {
  std::vector<std::int32_t> all(points.size() / n_dims);
  std::iota(all.begin(), all.end(), 0);
  return nearest_points(points, n_dims, n_nearest, all);
}

NearestPoints nearest_points(std::span<const float> points, int n_dims, int n_nearest,
                             std::span<const std::int32_t> of) {
  check_points(points, n_dims);
  const int n = static_cast<int>(points.size() / n_dims);
  expects(0 < n_nearest && n_nearest < n, "0 < n_nearest < n_points");
  const auto at = [&](int i) { return points.data() + static_cast<std::size_t>(i) * n_dims; };
  NearestPoints result;
  result.index.resize(of.size() * n_nearest);
  result.distance.resize(result.index.size());

  const int n_of = static_cast<int>(of.size());
#pragma omp parallel for schedule(dynamic, 1)
  for (int first = 0; first < n_of; first += block_points) {
    const int n_here = std::min(block_points, n_of - first);
    std::vector<Nearest> nearest(static_cast<std::size_t>(n_here));
    float squared[block_points];
    for (int other = 0; other < n; other += block_points) {
      const int n_other = std::min(block_points, n - other);
      const auto block = interleaved(points, n_dims, other, n_other);
      for (int p = 0; p < n_here; ++p) {
        Nearest& best = nearest[p];
        const std::int32_t point = of[first + p];
        measure(block.data(), at(point), n_dims, squared);
        for (int c = 0; c < n_other; ++c) {
          const bool is_full = best.size() == static_cast<std::size_t>(n_nearest);
          if ((is_full && squared[c] > best.front().first * margin) || other + c == point) continue;
          offer(best, n_nearest, {exact_square(at(point), at(other + c), n_dims), other + c});
        }
      }
    }
    for (int p = 0; p < n_here; ++p) {
      std::ranges::sort_heap(nearest[p]);
      for (int k = 0; k < n_nearest; ++k) {
        const std::size_t at_k = static_cast<std::size_t>(first + p) * n_nearest + k;
        result.distance[at_k] = std::sqrt(nearest[p][k].first);
        result.index[at_k] = nearest[p][k].second;
      }
    }
  }
  return result;
}

double recall_on_sample(std::span<const float> points, int n_dims, const NearestPoints& found,
                        int n_sample) {
  const std::size_t n = points.size() / n_dims, n_nearest = found.index.size() / n;
  std::vector<std::int32_t> sample;
  for (std::size_t s = 0; s < std::min(n, static_cast<std::size_t>(n_sample)); ++s)
    sample.push_back(static_cast<std::int32_t>(s * n / std::min<std::size_t>(n, n_sample)));
  const NearestPoints nearest = nearest_points(points, n_dims, static_cast<int>(n_nearest), sample);
  std::size_t n_right = 0;
  for (std::size_t s = 0; s < sample.size(); ++s) {
    const double farthest = nearest.distance[(s + 1) * n_nearest - 1];
    for (std::size_t k = 0; k < n_nearest; ++k)
      n_right += found.distance[sample[s] * n_nearest + k] <= farthest ? 1 : 0;
  }
  return static_cast<double>(n_right) / static_cast<double>(sample.size() * n_nearest);
}

NeighborSearch search_for(int n_points) {
  constexpr int most_exact = 25000;
  return n_points <= most_exact ? NeighborSearch::exact : NeighborSearch::approximate;
}

NeighborGraph neighbor_graph(std::span<const float> points, int n_dims, int n_neighbors,
                             NeighborSearch search) {
  expects(n_dims > 0 && points.size() % n_dims == 0, "points are [n_points, n_dims]");
  const int n = static_cast<int>(points.size() / n_dims), n_nearest = n_neighbors - 1;
  if (n_neighbors < 2 || n_neighbors > n)
    throw InputError(fmt::format(
        "clustering.n_neighbors = {} (must lie in 2 .. number of spots = {})", n_neighbors, n));
  check_points(points, n_dims);
  NeighborGraph graph;
  NearestPoints nearest;
  if (search == NeighborSearch::exact) {
    nearest = nearest_points(points, n_dims, n_nearest);
  } else {
    constexpr int n_sample = 1000;
    nearest = approximate_nearest_points(points, n_dims, n_nearest);
    graph.recall = recall_on_sample(points, n_dims, nearest, n_sample);
  }
  connect(nearest, n, graph);
  return graph;
}

}  // namespace stamarker
