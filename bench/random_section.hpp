#pragma once
#include "data/dataset.hpp"

namespace stamarker::bench {

/// A section of n_spots spots on a square grid, each with its 6 nearest spots and itself as
/// sources, in the order of a barcode list (shuffled), and n_genes genes of which each spot has
/// `density` non-zero. Values carry no biology: for timing only.
PreparedData random_section(int n_spots, int n_genes, double density);

}  // namespace stamarker::bench
