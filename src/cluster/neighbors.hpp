#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace stamarker {

/// Undirected graph of points: row i lists the neighbours of point i, ascending, without i; j
/// stands in row i exactly when i stands in row j. No weights.
struct NeighborGraph {
  std::vector<std::int64_t> row_start{0};  // [n_points + 1]
  std::vector<std::int32_t> neighbor;      // [directed edges]

  int n_points() const { return static_cast<int>(row_start.size()) - 1; }
};

/// The n_nearest other points of every point by Euclidean distance, nearest first, equally far
/// ones by index: [n_points, n_nearest]. Exact: all pairs are measured, candidates in double.
std::vector<std::int32_t> nearest_points(std::span<const float> points, int n_dims, int n_nearest);

/// Union of every point's n_neighbors - 1 nearest others, the pattern of scanpy.pp.neighbors
/// (whose n_neighbors counts the point itself), without its weights.
/// points: [n_points, n_dims]. Throws InputError unless 2 <= n_neighbors <= n_points.
NeighborGraph neighbor_graph(std::span<const float> points, int n_dims, int n_neighbors);

}  // namespace stamarker
