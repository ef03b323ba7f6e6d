#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/random.hpp"
#include "cluster/neighbors.hpp"

namespace stamarker {

struct GraphClusters {
  std::vector<std::int32_t> labels;  // [n_points], 0 .. n_clusters - 1
  int n_clusters = 0;
  double quality = 0;  // modularity_quality of the labels
};

/// Quality of Reichardt and Bornholdt with the configuration model, Phys. Rev. E 2006, unscaled:
/// sum over directed edges of [same cluster] - resolution * sum_c degree_c^2 / directed edges.
/// The same number as RBConfigurationVertexPartition.quality of the louvain package.
double modularity_quality(const NeighborGraph& graph, std::span<const std::int32_t> labels,
                          double resolution);

/// Best of n_init runs of the multilevel method (Blondel et al., J. Stat. Mech. 2008), by igraph.
/// Throws LibraryError when igraph refuses.
GraphClusters louvain(const NeighborGraph& graph, double resolution, int n_init, RandomKey key);

/// Best of n_init runs of Leiden (Traag, Waltman, van Eck, Sci. Rep. 2019), by igraph, each from a
/// partition of the multilevel method until an iteration changes nothing. (From single points
/// igraph's Leiden ends 1 to 3 % lower.) Throws LibraryError when igraph refuses.
GraphClusters leiden(const NeighborGraph& graph, double resolution, int n_init, RandomKey key);

}  // namespace stamarker
