#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.hpp"

namespace stamarker {

/// Which first hop a tile holds around its own spots (docs/parallel.md: Tiles).
enum class Halo {
  sources,    // training: the loss of own spots reads alpha of their sources
  attending,  // saliency: the gradient at own spots comes through the spots that attend to them
};

/// A part of the section with copies of what its computation reads. Local order: own spots, first
/// hop, second hop, each by ascending global index; with one tile that is the identity.
struct Tile {
  std::vector<std::int32_t> spots;      // [n_spots], global index of each local one
  int n_own = 0;                        // spots whose results are this tile's
  int n_attending = 0;                  // own + first hop: spots whose rows follow
  std::vector<std::int64_t> row_start;  // [n_attending + 1]
  std::vector<std::int32_t> source;     // local indices, each row in the order of the whole graph

  int n_spots() const { return static_cast<int>(spots.size()); }
  std::int64_t n_edges() const { return row_start.back(); }
};

/// Cuts spots into n_tiles contiguous parts of about equal weight by recursive coordinate
/// bisection: each part is cut across the axis of its greatest extent, at a coordinate (equal ones
/// by index), where the weights divide as the numbers of tiles on both sides do. Every part holds
/// a spot; indices ascend. `weight`: [n_spots], positive, e.g. the non-zeros of the spot's row.
/// Throws InputError when n_tiles is below 1 or above the number of spots.
/// Source: Berger and Bokhari, IEEE Transactions on Computers 1987.
std::vector<std::vector<std::int32_t>> bisect(const Coordinates& coordinates,
                                              std::span<const double> weight, int n_tiles);

/// The tiles of a section, made when asked for, each in time proportional to its own size. With
/// R1 = own + first hop, where the first hop are the sources of own spots (Halo::sources) or the
/// spots with an own spot in their row (Halo::attending), a tile holds the rows of R1, and R1 + the
/// sources of R1 as spots.
class Tiling {
 public:
  /// `own`: the own spots of each tile, ascending; no spot is in two. `graph` must outlive this.
  Tiling(const SpatialGraph& graph, std::vector<std::vector<std::int32_t>> own, Halo halo);

  Tile tile(int t);

 private:
  const SpatialGraph& graph_;
  Halo halo_;
  std::vector<std::vector<std::int32_t>> own_;
  std::vector<std::vector<std::int32_t>> attending_;  // the first hops, of Halo::attending alone
  std::vector<std::int32_t> local_;                   // [n_spots] -1, but while a tile is made
};

/// One tile alone.
Tile make_tile(const SpatialGraph& graph, std::span<const std::int32_t> own, Halo halo);

}  // namespace stamarker
