#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/instruction_sets.hpp"
#include "cluster/neighbors.hpp"

namespace stamarker {
namespace {

constexpr std::size_t row_lanes = 16;  // rows are filled with zeros to a multiple of it
constexpr std::size_t n_links = 16;  // of a point in each layer (hnswlib's M); twice in the lowest
constexpr std::size_t n_candidates = 100;  // kept while building and searching (ef)

STM_VECTOR_CLONES float squared_distance(const void* a, const void* b, const void* n_padded) {
  const auto* x = static_cast<const float*>(a);
  const auto* y = static_cast<const float*>(b);
  const std::size_t n = *static_cast<const std::size_t*>(n_padded);
  float sum[row_lanes] = {};
  for (std::size_t d = 0; d < n; d += row_lanes)
    for (std::size_t lane = 0; lane < row_lanes; ++lane) {
      const float difference = x[d + lane] - y[d + lane];
      sum[lane] += difference * difference;
    }
  float total = 0;
  for (const float part : sum) total += part;
  return total;
}

/// Euclidean space of rows of padded floats, for the instruction set of the running processor.
class PaddedSpace : public hnswlib::SpaceInterface<float> {
 public:
  explicit PaddedSpace(int n_dims) : n_padded_((n_dims + row_lanes - 1) / row_lanes * row_lanes) {}
  std::size_t n_padded() const { return n_padded_; }

  std::size_t get_data_size() override { return n_padded_ * sizeof(float); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return squared_distance; }
  void* get_dist_func_param() override { return &n_padded_; }

 private:
  std::size_t n_padded_;
};

class SmallWorld {
 public:
  SmallWorld(std::span<const float> points, int n_dims)
      : points_(points),
        n_dims_(n_dims),
        space_(n_dims),
        index_(&space_, points.size() / n_dims, n_links, n_candidates) {
    for (std::size_t i = 0; i < points.size() / n_dims; ++i) index_.addPoint(padded(i).data(), i);
  }

  void search_among(std::size_t n) { index_.setEf(std::max(n, n_candidates)); }

  /// Up to n other points near point i.
  std::vector<std::int32_t> near(std::size_t i, std::size_t n) const {
    auto found = index_.searchKnn(padded(i).data(), n + 1);  // farthest on top
    std::vector<std::int32_t> others;
    for (; !found.empty(); found.pop())
      if (found.top().second != i) others.push_back(static_cast<std::int32_t>(found.top().second));
    if (others.size() > n) others.erase(others.begin());  // i itself was not among them
    return others;
  }

 private:
  std::vector<float> padded(std::size_t i) const {
    std::vector<float> row(space_.n_padded(), 0);
    std::copy_n(points_.begin() + static_cast<std::ptrdiff_t>(i * n_dims_), n_dims_, row.begin());
    return row;
  }

  std::span<const float> points_;
  int n_dims_;
  PaddedSpace space_;
  hnswlib::HierarchicalNSW<float> index_;
};

double distance(std::span<const float> points, int n_dims, std::size_t i, std::size_t j) {
  double sum = 0;
  for (std::size_t d = 0; d < static_cast<std::size_t>(n_dims); ++d) {
    const double difference = static_cast<double>(points[i * n_dims + d]) - points[j * n_dims + d];
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

/// Row `to` of the result: the points named, nearest first, equally far ones by index.
void write_row(std::span<const float> points, int n_dims, std::size_t i,
               std::span<const std::int32_t> named, NearestPoints& result) {
  std::vector<std::pair<double, std::int32_t>> sorted;
  for (const std::int32_t j : named) sorted.emplace_back(distance(points, n_dims, i, j), j);
  std::ranges::sort(sorted);
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    result.distance[i * sorted.size() + k] = sorted[k].first;
    result.index[i * sorted.size() + k] = sorted[k].second;
  }
}

}  // namespace

NearestPoints approximate_nearest_points(std::span<const float> points, int n_dims, int n_nearest) {
  const int n = static_cast<int>(points.size() / n_dims);
  expects(0 < n_nearest && n_nearest < n, "0 < n_nearest < n_points");
  const auto n_wanted = static_cast<std::size_t>(n_nearest);
  SmallWorld world(points, n_dims);
  world.search_among(2 * n_wanted);
  NearestPoints result;
  result.index.resize(n * n_wanted);
  result.distance.resize(n * n_wanted);
  std::vector<std::int32_t> is_short(static_cast<std::size_t>(n), 0);
#pragma omp parallel for schedule(dynamic, 256)
  for (int i = 0; i < n; ++i) {  // NOLINT(openmp-exception-escape): memory alone could end it
    const auto near = world.near(i, n_wanted);
    if (near.size() == n_wanted)
      write_row(points, n_dims, i, near, result);
    else
      is_short[i] = 1;
  }
  // Where the graph falls apart, as among points that coincide, a search can end early.
  std::vector<std::int32_t> rest;
  for (std::int32_t i = 0; i < n; ++i)
    if (is_short[i] != 0) rest.push_back(i);
  const NearestPoints exact = nearest_points(points, n_dims, n_nearest, rest);
  for (std::size_t r = 0; r < rest.size(); ++r)
    write_row(points, n_dims, rest[r], std::span(exact.index).subspan(r * n_wanted, n_wanted),
              result);
  return result;
}

}  // namespace stamarker
