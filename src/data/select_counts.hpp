#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/preprocess.hpp"
#include "data/shared_counts.hpp"
#include "data/spatial_graph.hpp"

namespace stamarker {

/// Throws InputError unless there is at least one spot and one gene, no spot or gene name occurs
/// twice, every spot has its own name and finite coordinates, and no section has all its spots at
/// one place. `source` stands first in the
/// message, of coordinates `source_of_positions`. The counts are checked where they are read, by
/// select_counts.
void check_tables(const Dataset& data, const std::string& source,
                  const std::string& source_of_positions);

/// Throws InputError, naming the first value of these rows that is no finite, non-negative integer.
void check_counts(const SharedCounts& table, int first_spot, const SparseRows& rows);

/// What is left of the counts: on each rank its own spots.
struct SelectedCounts {
  std::vector<std::int32_t> kept_spots;      // of this rank, indices into the input, ascending
  std::int64_t n_seen_genes = 0;             // with a count in any spot of any rank
  std::vector<std::int32_t> kept_genes;      // by min_cells, indices into the input, ascending
  GeneStatistics statistics;                 // of kept_genes
  std::vector<std::int32_t> selected_genes;  // of kept_genes, indices into the input, ascending
  SparseRows counts;                         // [kept_spots, selected_genes] raw
};

/// Filters spots and genes and selects the highly variable ones (variable_genes.hpp), in the order
///
///   genes seen in fewer than min_cells spots are dropped,
///   spots with fewer than min_counts counts of the genes left are dropped,
///   the n_top_genes most variable genes are selected,
///
/// several sections as one table of spots. Reads the counts twice, with min_counts above 0 three
/// times. Collective; the results are the same bits for any number of ranks and threads.
/// Throws InputError on all ranks: counts that are no finite, non-negative integers, naming the
/// first; fewer than two spots or no gene left, naming the option.
/// Source: STAMarker stamarker/pipeline.py, load_from_anndata / scanpy filter_genes, filter_cells.
SelectedCounts select_counts(SharedCounts& table, const PrepareOptions& options);

/// Each spot's values scaled to sum to target_sum, then log(1 + value), in place. A spot without
/// counts stays zero. Source: scanpy normalize_total, log1p.
void normalize_log(SparseRows& counts, double target_sum);

/// Of the prepared section names, positions and statistics of the kept spots (of all ranks) and
/// selected genes. `data`: the input's tables, its counts are not looked at.
PreparedData describe_selected(const Dataset& data, std::vector<std::int32_t> kept_spots,
                               const SelectedCounts& selected);

/// The graph that the options ask for, which joins no section to another. Collective. Throws
/// InputError on all ranks: no edges, naming the option.
ConnectedSpots connect_spots(const Coordinates& coordinates, std::span<const std::int32_t> section,
                             const PrepareOptions& options,
                             const SearchRanks& ranks = SearchRanks::alone());

}  // namespace stamarker
