#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace stamarker {

/// How one model's embedding is cut into clusters.
enum class ClusterMethod {
  mclust,   // Gaussian mixture with one covariance shared by all components ("EEE")
  louvain,  // modularity of the nearest-neighbour graph, multilevel
  leiden,   // the same quality, with Leiden's refinement
};

struct ClusteringOptions {
  ClusterMethod method = ClusterMethod::mclust;
  int n_components = 0;     // of the mixture; 0: as many as domains
  int n_init = 10;          // starts, of which the best log-likelihood or quality is kept
  double resolution = 0.6;  // louvain, leiden: larger gives more clusters
  int n_neighbors = 15;     // louvain, leiden: counts the spot itself, as scanpy.pp.neighbors

  void validate() const;  // throws InputError naming the key (clustering.<field>)
};

struct Clusters {
  std::vector<std::int32_t> labels;  // [n_spots]
  double recall = 1;  // of the nearest spots on a sample; below 1 only for louvain and leiden on
                      // more spots than are searched exactly
};

/// Cluster of each spot, 0 .. K - 1, numbered by decreasing number of spots (equal: by first spot).
/// embedding: [n_spots, n_latent]. n_domains: what n_components = 0 stands for.
/// A pure function of its arguments: no thread count changes a label.
/// Throws InputError when the embedding cannot be clustered so, see fit_mixture and
/// neighbor_graph.
Clusters cluster(std::span<const float> embedding, int n_latent, const ClusteringOptions& options,
                 std::uint32_t seed, int model, int n_domains);

/// The same partition with clusters numbered 0 .. K - 1 by decreasing size, equal sizes by first
/// spot. Labels may be any non-negative numbers.
std::vector<std::int32_t> numbered_by_size(std::span<const std::int32_t> labels);

}  // namespace stamarker
