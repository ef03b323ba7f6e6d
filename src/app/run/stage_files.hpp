#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "app/run/fingerprint.hpp"
#include "cluster/consensus.hpp"
#include "cluster/consensus_embedding.hpp"
#include "comm/comm.hpp"
#include "data/dataset.hpp"
#include "data/expression_rows.hpp"
#include "data/input_summary.hpp"
#include "io/anndata_matrix.hpp"
#include "io/h5.hpp"
#include "model/classifier.hpp"
#include "model/parameters.hpp"
#include "model/saliency.hpp"
#include "model/trainer.hpp"

/// The files by which stages hand on their results; all HDF5, written atomically, with checksums
/// that every reader verifies (io/block_checksums.hpp).
/// The root's attribute `fingerprint` says what the contents depend on (fingerprint.hpp). N spots,
/// G genes, L latent width, M models, C domains. All readers, and all writers but that of
/// prepared.h5, are for this rank alone and throw InputError naming the file: no space, no
/// permission, damaged. Readers are told the lengths that the caller expects: a file of others, or
/// with an index beyond them, is damaged.
///
///   prepared.h5                  a PreparedData, members as datasets; of its matrices only the
///                                counts, as AnnData stores CSR, and target_sum: the expression
///                                follows from them; input/, an InputSummary
///   models/model_007.h5          epoch, parameters, moments, loss [epoch], gradient_norm [epoch];
///                                once training is complete embedding [N, L]
///   clusters/model_007.h5        labels [1, N], until clusters.h5 holds those of all models
///   clusters.h5                  labels [M, N]
///   consensus.h5                 domain [N], leaf [N], linkage [merges, 4], embedding [N, L], ...
///   classifiers/classifier_007.h5  widths, parameters, loss, accuracies, confusion [C, C]
///   saliency/tile_0003.h5        n_tiles of the section, spots [n], domains [D], squares [D, G],
///                                model_squares [M, D, G]; saliency [n, G] if asked for
namespace stamarker {

/// Empty when there is no such file, or not one of ours.
std::string fingerprint_of_file(const std::string& path);
/// The same of a result.h5ad, which carries it as uns/stamarker/provenance/fingerprint.
std::string fingerprint_of_result(const std::string& path);

/// Of a stage file, equal for equal contents. Throws InputError: missing, damaged.
std::uint64_t identity_of_stage_file(const std::string& path);

/// Collective. `tables`, on rank 0: all but the matrices. `counts`: this rank's spots, which follow
/// those of the rank before. An InputError is thrown by all ranks.
void write_prepared(const Comm& comm, const std::string& path, const Fingerprints& fingerprints,
                    const PreparedData& tables, const InputSummary& summary,
                    const SparseRows& counts, double target_sum);
/// Of the run that wrote prepared.h5. Members are empty where the file lacks them or is none of
/// ours.
Origin origin_of_prepared(const std::string& path);
/// N, without reading the rest.
std::int64_t read_n_spots(const std::string& path);
/// All but the matrices, whose rows are empty.
PreparedData read_prepared(const std::string& path);
InputSummary read_input_summary(const std::string& path);
/// The expression, read from the file when a tile asks for its rows. Holds open file and offsets.
class PreparedExpression : public ExpressionRows {
 public:
  explicit PreparedExpression(const std::string& path);
  std::span<const std::int64_t> row_start() const override { return counts_.row_start(); }
  SparseRows rows(std::span<const std::int32_t> spots) const override;
  /// All spots in blocks, ascending: for each, visit(first spot, its rows).
  void visit(const std::function<void(int, const SparseRows&)>& visit) const;

 private:
  /// Counts of spots first .. last - 1.
  void read_counts(int first, int last, SparseRows& counts) const;

  std::string path_;
  h5::File file_;
  double target_sum_;
  anndata::MatrixRows counts_;
};
/// Counts and expression of the spots `rows`.
struct PreparedRows {
  SparseRows counts, expression;
};
PreparedRows read_prepared_rows(const std::string& path, Block rows);

/// A model in training, or trained when it has an embedding.
struct ModelFile {
  TrainerState state;
  int n_spots = 0;               // of a trained one, N
  std::vector<float> embedding;  // [N, L]

  bool is_complete() const { return !embedding.empty(); }
};
void write_model(const std::string& path, const std::string& fingerprint, const ModelFile& model);
/// Parts of it, without reading the rest.
TrainerState read_model_state(const std::string& path, const ParameterLayout& layout);
bool is_complete_model(const std::string& path);
std::vector<float> read_model_embedding(const std::string& path, std::int64_t n_spots,
                                        int n_latent);  // [N, L]
void read_embedding_rows(const std::string& path, std::int64_t n_spots, int n_latent,
                         std::int64_t first_spot, std::span<float> rows);
std::vector<float> read_model_parameters(const std::string& path, const ParameterLayout& layout);
std::vector<double> read_model_losses(const std::string& path, int n_epochs);  // [epochs]

void write_labels(const std::string& path, const std::string& fingerprint, int n_models,
                  const std::vector<std::int32_t>& labels);  // [M, N]
std::vector<std::int32_t> read_labels(const std::string& path, int n_models,
                                      std::int64_t n_spots);  // [M, N]

/// What the consensus stage finds.
struct ConsensusFile {
  Consensus consensus;
  ConsensusEmbedding embedding;
  double agreement = 1;  // mean adjusted Rand index over pairs of models
};
void write_consensus(const std::string& path, const std::string& fingerprint,
                     const ConsensusFile& contents);
ConsensusFile read_consensus(const std::string& path, std::int64_t n_spots, int n_latent);
/// Of it, what stages after it need for every spot: domain and n_domains.
struct Domains {
  std::vector<std::int32_t> of_spot;  // [N]
  int n = 0;
};
Domains read_domains(const std::string& path, std::int64_t n_spots);

void write_classifier(const std::string& path, const std::string& fingerprint,
                      const Classifier& classifier);
/// widths: as in Classifier, what they must be.
Classifier read_classifier(const std::string& path, const std::vector<int>& widths);

/// `with_saliency`: the [n, G] matrix itself, not only what it adds to the scores.
void write_tile_saliency(const std::string& path, const std::string& fingerprint,
                         const TileSaliency& tile, int n_tiles, bool with_saliency);
int read_n_saliency_tiles(const std::string& path);
/// Of the whole section.
struct SaliencySizes {
  std::int64_t n_spots = 0, n_genes = 0, n_models = 0, n_domains = 0;
};
TileSaliency read_tile_saliency(const std::string& path, const SaliencySizes& sizes,
                                bool with_saliency);

}  // namespace stamarker
