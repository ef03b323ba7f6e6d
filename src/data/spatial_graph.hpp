#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/block.hpp"
#include "data/dataset.hpp"
#include "data/nearest_spots.hpp"

namespace stamarker {

/// In both graphs spot j chooses its neighbours, and each chosen i attends to j: row i lists the
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

/// A radius with about 6 neighbours. With d_k the median over spots of the distance to the k-th
/// nearest: if d_{k+1} > 1.2 d_k for a k of 6, 5, 7, 4, 8 (tried in this order), the spots lie on a
/// lattice with a ring of k, and the radius is (d_k + d_{k+1}) / 2: 6 neighbours on the hexagonal
/// grid of Visium, 4 on a square grid. Otherwise it is the radius within which a spot has 6
/// neighbours on average. One radius for all sections, which share a unit; of more than 100,000
/// spots every n-th counts. 0 when no section has two spots at different places.
double automatic_radius(const NearestSpots& spots);

/// The neighbors that the spots `rows` chose, with distances, ascending: rows of the transpose of
/// the graph, without self-loops. [rows, n_spots], as squidpy's obsp has them.
SparseRows neighbors_of(const SpatialGraph& graph, Block rows);

/// Neighbors that a spot chose, itself not counted.
struct GraphSummary {
  double mean = 0;
  int min = 0, max = 0;
  int n_isolated = 0;  // spots that attend to themselves only
};
GraphSummary summary_of(const SpatialGraph& graph);

/// Throws InputError when no spot has a neighbour, naming `radius` (0: k nearest) and the radius
/// to use instead.
void check_edges(const SpatialGraph& graph, double radius, const NearestSpots& spots);

}  // namespace stamarker
