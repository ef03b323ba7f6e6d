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

/// Of every point, nearest first, equally far ones by index.
struct NearestPoints {
  std::vector<std::int32_t> index;  // [n_points, n_nearest], never the point itself
  std::vector<double> distance;     // [n_points, n_nearest], Euclidean
};

/// The n_nearest other points of every point. Exact: all pairs are measured, those that matter in
/// double. points: [n_points, n_dims]. Throws InputError: not finite.
NearestPoints nearest_points(std::span<const float> points, int n_dims, int n_nearest);

/// Union of every point's n_neighbors - 1 nearest others (n_neighbors counts the point itself),
/// less the edges whose UMAP weight is 0 in single precision both ways: the pattern of
/// scanpy.pp.neighbors(n_neighbors), without its weights. With distances d_1 <= d_2 ... of point i
/// and rho its smallest above 0,
///
///   weight(i, k) = exp(-max(d_k - rho, 0) / sigma),   sum_k weight(i, k) = log2(n_neighbors)
///
/// So a few points that lie close together and far from all others keep to themselves.
/// Source: umap-learn umap_.py, smooth_knn_dist and compute_membership_strengths.
/// points: [n_points, n_dims]. Throws InputError: not finite, or not 2 <= n_neighbors <= n_points.
NeighborGraph neighbor_graph(std::span<const float> points, int n_dims, int n_neighbors);

}  // namespace stamarker
