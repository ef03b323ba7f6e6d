#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace stamarker {

/// Sparse matrix stored by rows (CSR) on the host. Offsets have 64 bits: an atlas holds more than
/// 2^31 entries. Columns of a row ascend.
struct SparseRows {
  int n_rows = 0, n_cols = 0;
  std::vector<std::int64_t> row_start{0};  // [n_rows + 1]
  std::vector<std::int32_t> column;        // [n_entries]
  std::vector<float> value;                // [n_entries]

  std::int64_t n_entries() const { return row_start.back(); }
};

/// The same entries by columns: row c of the result lists the rows of `m` that hold column c.
SparseRows transposed(const SparseRows& m);

/// The given rows and columns, in the given order; both lists hold distinct indices of `m`.
SparseRows submatrix(const SparseRows& m, const std::vector<std::int32_t>& rows,
                     const std::vector<std::int32_t>& cols);

/// Positions of spots in the input's own unit (pixels, micrometres, array steps).
struct Coordinates {
  int n_dims = 2;              // 2 or 3
  std::vector<double> values;  // [n_spots, n_dims]

  int n_spots() const { return static_cast<int>(values.size()) / n_dims; }
  const double* spot(int i) const { return values.data() + static_cast<std::size_t>(i) * n_dims; }
};

/// What the program reads: one or several sections, before any filter.
struct Dataset {
  SparseRows counts;                    // [n_spots, n_genes], as read; not yet checked
  std::vector<std::string> spot_names;  // [n_spots]
  std::vector<std::string> gene_names;  // [n_genes]
  Coordinates coordinates;              // [n_spots, 2 or 3]
  std::vector<std::int32_t> section;    // [n_spots], into section_names; 0 without batch key
  std::vector<std::string> section_names;

  int n_spots() const { return counts.n_rows; }
  int n_genes() const { return counts.n_cols; }
};

/// Who attends to whom. Row i lists the sources j of spot i, i itself included, ascending.
struct SpatialGraph {
  std::vector<std::int64_t> row_start{0};  // [n_spots + 1]
  std::vector<std::int32_t> source;        // [n_edges]
  std::vector<float> distance;             // [n_edges], 0 for the self-loop

  int n_spots() const { return static_cast<int>(row_start.size()) - 1; }
  std::int64_t n_edges() const { return row_start.back(); }
};

/// Statistics of the genes that passed the filter, as scanpy.pp.highly_variable_genes names them.
struct GeneStatistics {
  std::vector<double> means, variances, variances_norm;  // [n_genes kept by the filter]
  std::vector<std::int32_t> rank;                        // [same], 0 best; -1: not selected
};

/// What every later stage works on: kept spots x selected genes. Their raw counts stay in
/// prepared.h5.
struct PreparedData {
  std::vector<std::int32_t> kept_spots;      // [n_spots], indices into the input
  std::vector<std::int32_t> selected_genes;  // [n_genes], indices into the input, ascending
  SparseRows expression;                     // [n_spots, n_genes] normalised, log1p; or rows empty
  GeneStatistics statistics;                 // of the selected genes, [n_genes]
  std::vector<std::string> spot_names, gene_names;
  Coordinates coordinates;
  std::vector<std::int32_t> section;
  std::vector<std::string> section_names;
  SpatialGraph graph;
  std::vector<double> radius;  // [n_sections] of the graph, unit of the coordinates; 0: nearest
  int n_nearest = 0;           // neighbors that spots of a section without a radius choose

  int n_spots() const { return expression.n_rows; }
  int n_genes() const { return expression.n_cols; }
};

}  // namespace stamarker
