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

/// Moves single points, visited in a random order, to the neighbouring cluster that gains most,
/// until a sweep over all of them moves none. labels: 0 .. n_clusters - 1, none left out.
void move_points(const NeighborGraph& graph, double resolution, RandomSequence& random,
                 std::vector<std::int32_t>& labels);

/// Best of n_init runs of the multilevel method (Blondel et al., J. Stat. Mech. 2008) by igraph,
/// each followed by move_points: points that joined early may then leave again, which gains 0.5 to
/// 3 % where igraph's own runs stay up to 2 % below the louvain package.
/// Throws LibraryError when igraph refuses.
GraphClusters louvain(const NeighborGraph& graph, double resolution, int n_init, RandomKey key);

/// Best of n_init runs of Leiden (Traag, Waltman, van Eck, Sci. Rep. 2019) by igraph, each until an
/// iteration gains nothing. Throws LibraryError when igraph refuses.
GraphClusters leiden(const NeighborGraph& graph, double resolution, int n_init, RandomKey key);

}  // namespace stamarker
