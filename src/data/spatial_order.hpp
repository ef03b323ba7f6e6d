#pragma once
#include "data/tiles.hpp"

namespace stamarker {

/// Puts the spots of each of the tile's three groups (own, first hop, second hop) in the order of a
/// Z-curve through their coordinates, equal places by index (Morton 1966). Barcodes lie in no
/// order; along the curve the sources of a spot are mostly near it in memory too.
void order_in_space(const Coordinates& coordinates, Tile& tile);

}  // namespace stamarker
