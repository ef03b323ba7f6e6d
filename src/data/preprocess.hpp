#pragma once
#include <optional>

namespace stamarker {

/// How counts become expression and positions become a graph. Defaults: the public code's.
struct PrepareOptions {
  int min_cells = 50;       // genes seen in fewer spots are dropped
  int min_counts = 0;       // spots with fewer counts of the kept genes are dropped
  int n_top_genes = 3000;   // highly variable genes; all genes when fewer are left
  double target_sum = 1e4;  // counts of a spot after normalisation
  std::optional<double> rad_cutoff = std::nullopt;  // unit of the coordinates; none: automatic
  std::optional<int> k_cutoff = std::nullopt;       // nearest neighbours, in place of a radius
  int max_neighbors = 50;                           // nearest ones kept within the radius

  void validate() const;  // throws InputError naming the key (prepare.<field>)
};

}  // namespace stamarker
