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
  double recall = 1;                       // of the search behind it, see recall_on_sample

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

/// The same of the points `of` alone: [of.size(), n_nearest].
NearestPoints nearest_points(std::span<const float> points, int n_dims, int n_nearest,
                             std::span<const std::int32_t> of);

/// As nearest_points, but some of the nearest may be missed and farther ones stand in their place:
/// search in a hierarchical navigable small world graph (Malkov and Yashunin, IEEE TPAMI 2020) by
/// hnswlib. Distances are those of the points named. The graph is built by one thread, point after
/// point, as it depends on the order; queries are shared out. So threads change no bit.
NearestPoints approximate_nearest_points(std::span<const float> points, int n_dims, int n_nearest);

/// Of n_sample points spread evenly over the indices, the share of the n_nearest found ones that
/// are no farther than the n_nearest-th nearest of all points.
double recall_on_sample(std::span<const float> points, int n_dims, const NearestPoints& found,
                        int n_sample);

enum class NeighborSearch { exact, approximate };

/// Exact up to 25,000 points, whatever the number of threads, which may change no bit. There it
/// takes twice the CPU time of the other, and more from there on (bench_clustering, the table
/// in docs/method.md); on four threads, which all pairs are shared out over and building the graph
/// is not, it would be as quick up to some 85,000 points.
NeighborSearch search_for(int n_points);

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
/// search: with NeighborSearch::approximate the recall on 1000 points is measured too.
NeighborGraph neighbor_graph(std::span<const float> points, int n_dims, int n_neighbors,
                             NeighborSearch search);

}  // namespace stamarker
