#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace stamarker {

/// Writes spots first_spot .. of one model's embedding to `rows`, [rows.size() / n_latent,
/// n_latent]. Called for blocks of spots in ascending order and, within a block, for the models in
/// order, twice over; the caller may so fetch them from a file or from other ranks.
using EmbeddingRows =
    std::function<void(int model, std::int64_t first_spot, std::span<float> rows)>;

struct ConsensusEmbedding {
  std::vector<float> scores;            // [n_spots, n_latent], the columns by decreasing variance
  std::vector<double> explained_share;  // [n_latent], of the variance of all columns
};

/// Leading n_latent principal components of the n_models embeddings, each column standardised (mean
/// 0, population sd 1; a constant column counts 0), side by side: [n_spots, n_models n_latent].
/// From the eigenvectors of their correlation matrix, summed in double over blocks of spots; memory
/// beyond the result: one block of spots of all models. Sign: the entry of an eigenvector that is
/// largest in absolute value (equal: the first) is positive. Throws InputError: not finite.
ConsensusEmbedding consensus_embedding(std::int64_t n_spots, int n_latent, int n_models,
                                       const EmbeddingRows& rows_of);

}  // namespace stamarker
