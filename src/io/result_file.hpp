#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/comm.hpp"
#include "data/dataset.hpp"
#include "io/h5_parallel.hpp"
#include "io/read_input.hpp"

namespace stamarker {

/// Rows [first_row, first_row + values / n_cols) of a dense matrix, as a view.
template <class T>
struct DenseBlock {
  std::int64_t first_row = 0;
  std::int64_t n_cols = 0;  // of the whole matrix, the same on all ranks; 0: there is no matrix
  std::span<const T> values{};
};

/// Some rows of layers/saliency, anywhere in the matrix.
struct SaliencyRows {
  std::vector<std::int32_t> rows;  // ascending
  std::vector<float> values;       // [rows, n_genes]
};

/// What is known of the domains and their genes; N spots, G genes, C domains. Matrices as SvgTable
/// has them, domains first.
struct DomainResults {
  std::vector<std::int32_t> domain;       // [N], 0 .. C - 1
  std::vector<std::string> domain_names;  // [C]
  std::vector<double> score;              // [C, G] saliency score
  std::vector<double> stability;          // [C, G] share of models that select the gene
  std::vector<double> score_deviation;    // [C, G] standard deviation over models; or empty
  std::vector<std::uint8_t> selected;     // [C, G] 1: SVG of the domain
  std::vector<float> log_fold_change;     // [C, G] see log_fold_changes(); or empty: NaN is stored
};

/// What uns/stamarker tells about the run; M models. Empty parts are not written. No name holds
/// '/'.
struct RunRecord {
  std::int64_t n_models = 0;
  std::string config;                                           // resolved configuration, YAML
  std::vector<float> losses;                                    // [M, epochs]
  std::vector<double> held_out_accuracy;                        // [M]
  std::vector<std::int64_t> confusion;                          // [M, C, C] rows: true domain
  std::vector<double> linkage;                                  // [merges, 4] as scipy's linkage
  std::vector<std::string> warnings;                            // one line each
  std::vector<std::pair<std::string, double>> run_times;        // seconds of each stage
  std::vector<std::pair<std::string, double>> measures;         // any other number of the run
  std::vector<std::pair<std::string, std::string>> provenance;  // version, commit, checksum, ...
};

/// Everything that goes into result.h5ad.
struct ResultContents {
  // Filled on every rank: the rows that this rank writes. The blocks of one matrix tile the N spots
  // over the ranks in any way (for example all rows on rank 0), each matrix in its own way.
  h5::SparseBlock expression;       // [N, G] -> X
  h5::SparseBlock counts;           // [N, G] -> layers/counts
  SparseRows neighbors;             // [rows of expression, N] distances (neighbors_of) -> obsp
  DenseBlock<float> embedding;      // [N, L] -> obsm/X_stamarker
  DenseBlock<std::int32_t> labels;  // [N, M] -> obsm/stamarker_labels
  std::vector<DenseBlock<float>>
      embeddings;  // M of [N, L] -> obsm/stamarker_embedding_<m>; or none
  /// Called on all ranks together, again and again until no rank has rows left: -> layers/saliency.
  /// Must not communicate; may throw InputError on any rank. Empty (on all ranks): no such layer.
  std::function<SaliencyRows()> next_saliency;

  // Filled on rank 0, not looked at elsewhere.
  InputOptions input;                        // read again for its own obs, var, obsm, ...
  std::vector<std::int32_t> kept_spots;      // [N], indices into the input, ascending
  std::vector<std::int32_t> selected_genes;  // [G], indices into the input, ascending
  std::vector<std::string> spot_names;       // [N]
  std::vector<std::string> gene_names;       // [G]
  Coordinates coordinates;                   // [N, 2 or 3]
  GeneStatistics statistics;                 // [G]
  std::vector<double> radius;                // [sections] of the graph; 0: nearest neighbors
  int n_nearest = 0;                         // neighbors where the radius is 0
  std::vector<std::string> section_names;    // [sections]
  DomainResults domains;
  RunRecord run;
};

/// The part of `contents` that every stage after preparation shares: names, indices, coordinates,
/// statistics, radius, the neighbors of this rank's spots, and the matrices, of which `counts` and
/// `expression` hold those rows alone and must outlive it.
void fill_prepared(const PreparedData& prepared, Block rows, const SparseRows& counts,
                   const SparseRows& expression, ResultContents& contents);

/// Writes the result file, whole or not at all. Collective. Rank 0 first writes what is small or
/// carried over from the input, then all ranks write the large matrices by rows. The values do not
/// depend on the number of ranks or on how rows are dealt out.
/// Returns, on rank 0, one line for each part of the input that could not be carried over.
/// Throws InputError on all ranks alike: no space, no permission, one of next_saliency.
std::vector<std::string> write_result(const Comm& comm, const std::string& path,
                                      const ResultContents& contents);

/// log2 of the ratio of mean expression inside a domain to that outside, as scanpy.tl.
/// rank_genes_groups defines it: means of log1p values, expm1 of them, 1e-9 added to both. The
/// rows of the section are added in their order, in any blocks.
class FoldChanges {
 public:
  FoldChanges(int n_domains, int n_genes);
  /// domain: of these rows, codes below n_domains.
  void add(const SparseRows& expression, std::span<const std::int32_t> domain);
  std::vector<float> values() const;  // [n_domains, G]

 private:
  std::size_t n_domains_, n_genes_;
  std::vector<double> sum_;      // [n_domains, G]
  std::vector<double> total_;    // [G]
  std::vector<double> n_spots_;  // [n_domains]
};

}  // namespace stamarker
