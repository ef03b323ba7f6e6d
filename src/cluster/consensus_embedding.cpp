#include "cluster/consensus_embedding.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"

namespace stamarker {
namespace {

constexpr std::int64_t block_spots = 1024;  // rows handled together; sums are added in this order

using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Blocks of spots of all models side by side.
class Blocks {
 public:
  Blocks(std::int64_t n_spots, int n_latent, int n_models, const EmbeddingRows& rows_of)
      : n_spots_(n_spots), n_latent_(n_latent), n_models_(n_models), rows_of_(rows_of) {}

  Eigen::Index n_columns() const { return static_cast<Eigen::Index>(n_latent_) * n_models_; }

  /// use(first spot, block): block is [up to block_spots, n_columns].
  template <class Use>
  void each(Use use) const {
    for (std::int64_t first = 0; first < n_spots_; first += block_spots) {
      const auto n = static_cast<Eigen::Index>(std::min(block_spots, n_spots_ - first));
      Eigen::MatrixXd block(n, n_columns());
      Rows rows(n, n_latent_);
      for (int m = 0; m < n_models_; ++m) {
        rows_of_(m, first, {rows.data(), static_cast<std::size_t>(rows.size())});
        block.middleCols(static_cast<Eigen::Index>(m) * n_latent_, n_latent_) = rows.cast<double>();
      }
      use(first, block);
    }
  }

 private:
  std::int64_t n_spots_;
  int n_latent_, n_models_;
  const EmbeddingRows& rows_of_;
};

struct Moments {
  Eigen::RowVectorXd mean;     // [n_columns]
  Eigen::MatrixXd covariance;  // [n_columns, n_columns], lower triangle
};

/// Products are summed about the first spot, so that a common offset costs no digits.
Moments moments(const Blocks& blocks, std::int64_t n_spots) {
  constexpr Eigen::Index tile = 64;  // columns one thread computes at a time
  const Eigen::Index n = blocks.n_columns(), n_tiles = (n + tile - 1) / tile;
  Eigen::RowVectorXd origin, sum = Eigen::RowVectorXd::Zero(n);
  Eigen::MatrixXd products = Eigen::MatrixXd::Zero(n, n);
  blocks.each([&](std::int64_t first, Eigen::MatrixXd& block) {
    if (first == 0) origin = block.row(0);
    block.rowwise() -= origin;
    sum += block.colwise().sum();
#pragma omp parallel for schedule(dynamic, 1)
    for (Eigen::Index t = 0; t < n_tiles; ++t) {
      const Eigen::Index at = t * tile, width = std::min(tile, n - at);
      products.block(at, at, n - at, width).noalias() +=
          block.rightCols(n - at).transpose() * block.middleCols(at, width);
    }
  });
  const auto count = static_cast<double>(n_spots);
  const Eigen::RowVectorXd shift = sum / count;
  return {origin + shift, products / count - shift.transpose() * shift};
}

/// Divides by the standard deviations; a column without any becomes 0.
Eigen::VectorXd inverse_deviation(const Moments& m) {
  constexpr double rounding = 1e-14;  // of a variance that is 0, relative to the mean's square
  Eigen::VectorXd inverse = Eigen::VectorXd::Zero(m.mean.size());
  for (Eigen::Index c = 0; c < inverse.size(); ++c)
    if (const double variance = m.covariance(c, c); variance > rounding * m.mean[c] * m.mean[c])
      inverse[c] = 1 / std::sqrt(variance);
  return inverse;
}

/// The sign rule: the entry largest in absolute value is positive.
void fix_signs(Eigen::MatrixXd& vectors) {
  for (auto column : vectors.colwise()) {
    Eigen::Index at = 0;
    column.cwiseAbs().maxCoeff(&at);
    if (column[at] < 0) column = -column;
  }
}

}  // namespace

ConsensusEmbedding consensus_embedding(std::int64_t n_spots, int n_latent, int n_models,
                                       const EmbeddingRows& rows_of) {
  expects(n_spots > 0 && n_latent > 0 && n_models > 0, "spots, dimensions and models");
  const Blocks blocks(n_spots, n_latent, n_models, rows_of);
  const Moments m = moments(blocks, n_spots);
  if (!m.covariance.diagonal().allFinite())
    throw InputError(
        "an embedding holds a value that is not finite (training diverged; lower "
        "autoencoder.learning_rate)");
  const Eigen::VectorXd inverse = inverse_deviation(m);
  const Eigen::MatrixXd correlation =
      inverse.asDiagonal() * m.covariance * inverse.asDiagonal();  // lower triangle
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(correlation);
  Eigen::MatrixXd vectors = eigen.eigenvectors().rightCols(n_latent).rowwise().reverse();
  fix_signs(vectors);
  const Eigen::MatrixXd to_scores = inverse.asDiagonal() * vectors;

  ConsensusEmbedding result;
  const double total = std::max(correlation.trace(), std::numeric_limits<double>::min());
  for (int k = 0; k < n_latent; ++k)
    result.explained_share.push_back(
        std::max(0.0, eigen.eigenvalues()[blocks.n_columns() - 1 - k]) / total);
  result.scores.resize(static_cast<std::size_t>(n_spots) * n_latent);
  blocks.each([&](std::int64_t first, Eigen::MatrixXd& block) {
    const Eigen::MatrixXd scores = (block.rowwise() - m.mean) * to_scores;
    Eigen::Map<Rows>(result.scores.data() + first * n_latent, scores.rows(), n_latent) =
        scores.cast<float>();
  });
  return result;
}

}  // namespace stamarker
