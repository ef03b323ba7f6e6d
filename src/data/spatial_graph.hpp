#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/block.hpp"
#include "data/dataset.hpp"
#include "data/nearest_spots.hpp"

namespace stamarker {

/// In all graphs spot j chooses its neighbors, and each chosen i attends to j: row i lists the
/// spots j that chose i, and i itself. That is the direction of the public code (its edge list,
/// read as source -> target), and matters where the choice is not mutual: among the k nearest, and
/// where max_neighbors cuts. Of equally distant spots the one of lower index is chosen. Spots of
/// different sections never share an edge. Distances are float. The graph is made on the first of
/// the ranks of `spots`; elsewhere it is that of no spots.
/// Source: STAMarker stamarker/utils.py, compute_spatial_net / STAGATE Cal_Spatial_Net, where of
/// two spots at one place a random one may lose the other; here they are always neighbours.

/// j chooses the spots closer than `radius` (strictly), at most the max_neighbors nearest.
SpatialGraph radius_graph(const NearestSpots& spots, double radius, int max_neighbors);

/// j chooses its k nearest spots; all others of a section with k spots or fewer.
SpatialGraph nearest_graph(const NearestSpots& spots, int k);

/// A graph, on the first rank; the rest on all.
struct ConnectedSpots {
  SpatialGraph graph;
  std::vector<double> radius;  // [n_sections], unit of the coordinates; 0: not by radius
  int n_nearest = 0;           // that spots of a section without a radius choose; 0: none does
};

/// A radius for each section with about 6 neighbors, [n_sections], on all ranks. With d_k the
/// median over the section's spots of the distance to the k-th nearest: if d_{k+1} > 1.2 d_k for a
/// k of 6, 5, 7, 8 (tried in this order), the spots lie on a lattice with k near neighbors, and the
/// radius is (d_k + d_{k+1}) / 2: 6 neighbors on the hexagonal lattice of Visium, 8 on a square
/// lattice, whose nearest rings have 4 and 8. Otherwise it is the radius within which a spot has 6
/// neighbors on average. Of a large section every n-th spot counts: together the sections look at
/// 100,000 spots or 1000 each. 0 where no two spots lie at different places.
std::vector<double> automatic_radii(const NearestSpots& spots);

/// Each section by its own automatic radius and at most max_neighbors nearest. Where density varies
/// so much that no radius fits (more than 5 % of the spots would be isolated, or a spot would have
/// more than 12 neighbors on average), each spot chooses its 6 nearest instead, or max_neighbors if
/// these are fewer.
ConnectedSpots automatic_graph(const NearestSpots& spots, int max_neighbors);

/// The neighbors that the spots `rows` chose, with distances, ascending: rows of the transpose of
/// the graph, without self-loops. [rows, n_spots], as squidpy's obsp has them.
SparseRows neighbors_of(const SpatialGraph& graph, Block rows);

/// Neighbors that a spot chose, itself not counted.
struct GraphSummary {
  int n_spots = 0;
  double mean = 0;
  int min = 0, max = 0;
  int n_isolated = 0;  // spots that attend to themselves only

  /// Whether more than 5 % of the spots are isolated.
  bool is_torn() const { return n_isolated > 0.05 * n_spots; }
};
GraphSummary summary_of(const SpatialGraph& graph);
/// Of each section, [n_sections]; a section without spots has zeros. section: [n_spots].
std::vector<GraphSummary> summaries_of(const SpatialGraph& graph,
                                       std::span<const std::int32_t> section, int n_sections);

/// Throws InputError when no spot has a neighbor, naming `radius` (0: none was set) and the radius
/// to use instead.
void check_edges(const SpatialGraph& graph, double radius, const NearestSpots& spots);

}  // namespace stamarker
