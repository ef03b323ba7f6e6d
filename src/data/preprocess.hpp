#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.hpp"

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

/// Throws InputError unless the counts are finite, non-negative integers, there is at least one
/// spot and one gene, no spot or gene name occurs twice, and every spot has its own name and
/// finite coordinates. `source` stands first in the message: file and key, "a.h5ad: layers/raw".
void check_counts(const Dataset& data, const std::string& source);

/// What the filters leave. Indices into the input, ascending.
struct Kept {
  std::vector<std::int32_t> spots, genes;
};

/// Drops genes seen in fewer than min_cells spots, then spots with fewer than min_counts counts of
/// the genes left. Throws InputError naming the option when fewer than two spots or no gene remain.
/// Source: STAMarker stamarker/pipeline.py, load_from_anndata / scanpy filter_genes, filter_cells.
Kept filter(const SparseRows& counts, const PrepareOptions& options);

/// Each spot's values scaled to sum to target_sum, then log(1 + value). A spot without counts
/// stays zero. Source: scanpy normalize_total, log1p.
SparseRows normalized_log(const SparseRows& counts, double target_sum);

/// All of it, in the order filter genes, filter spots, select genes (variable_genes.hpp),
/// normalise, graph (spatial_graph.hpp). Several sections are filtered and ranked together, as one
/// table of spots; the graph joins none of them to another. `data` has passed check_counts.
PreparedData prepare(const Dataset& data, const PrepareOptions& options);

}  // namespace stamarker
