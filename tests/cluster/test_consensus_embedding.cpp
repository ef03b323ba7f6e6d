#include <Eigen/Dense>
#include <cmath>

#include "cluster/cluster_test.hpp"
#include "cluster/consensus_embedding.hpp"

namespace stamarker {
namespace {

constexpr int n_latent = 3, n_models = 4;

/// Every model: the same three columns of different spread, turned by a model's own matrix, plus
/// noise, plus an offset.
std::vector<std::vector<float>> embeddings(int n_spots) {
  const auto common = test::normal(n_spots, n_latent, 1);
  std::vector<std::vector<float>> result;
  for (int m = 0; m < n_models; ++m) {
    const auto turn = test::normal(n_latent, n_latent, 10 + m);
    auto z = test::normal(n_spots, n_latent, 100 + m);
    for (int i = 0; i < n_spots; ++i)
      for (int d = 0; d < n_latent; ++d) {
        float sum = 0.1f * z[i * n_latent + d] + 50.0f;
        for (int e = 0; e < n_latent; ++e)
          sum += common[i * n_latent + e] * turn[e * n_latent + d] / static_cast<float>(1 + e);
        z[i * n_latent + d] = sum;
      }
    result.push_back(std::move(z));
  }
  return result;
}

EmbeddingRows rows_from(const std::vector<std::vector<float>>& all) {
  return [&all](int model, std::int64_t first_spot, std::span<float> rows) {
    std::copy_n(all[model].begin() + first_spot * n_latent, rows.size(), rows.begin());
  };
}

TEST(ConsensusEmbedding, EqualsTheSingularVectorsOfTheStandardisedColumns) {
  const int n = 1500;  // more than one block
  const auto all = embeddings(n);
  Eigen::MatrixXd wide(n, n_latent * n_models);
  for (int m = 0; m < n_models; ++m)
    for (int i = 0; i < n; ++i)
      for (int d = 0; d < n_latent; ++d) wide(i, m * n_latent + d) = all[m][i * n_latent + d];
  wide.rowwise() -= wide.colwise().mean().eval();
  for (auto column : wide.colwise()) column /= std::sqrt(column.squaredNorm() / n);
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(wide, Eigen::ComputeThinU | Eigen::ComputeThinV);

  const auto found = consensus_embedding(n, n_latent, n_models, rows_from(all));

  for (int k = 0; k < n_latent; ++k) {
    const double value = svd.singularValues()[k];
    Eigen::Index at = 0;
    svd.matrixV().col(k).cwiseAbs().maxCoeff(&at);
    const double sign = svd.matrixV()(at, k) < 0 ? -1 : 1;
    EXPECT_NEAR(found.explained_share[k], value * value / wide.squaredNorm(), 1e-12);
    for (int i = 0; i < n; ++i)  // scores are stored in single precision
      EXPECT_NEAR(found.scores[i * n_latent + k], sign * value * svd.matrixU()(i, k), 2e-6);
  }
}

TEST(ConsensusEmbedding, AsksForBlocksInOrderTwice) {
  const int n = 2500;
  const auto all = embeddings(n);
  std::vector<std::pair<std::int64_t, int>> calls;
  const auto rows = rows_from(all);

  consensus_embedding(n, n_latent, n_models,
                      [&](int model, std::int64_t first_spot, std::span<float> out) {
                        calls.emplace_back(first_spot, model);
                        rows(model, first_spot, out);
                      });

  const std::size_t half = calls.size() / 2;
  EXPECT_TRUE(std::is_sorted(calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(half)));
  EXPECT_TRUE(std::equal(calls.begin(), calls.begin() + static_cast<std::ptrdiff_t>(half),
                         calls.begin() + static_cast<std::ptrdiff_t>(half), calls.end()));
}

TEST(ConsensusEmbedding, AConstantColumnCountsNothing) {
  const int n = 200;
  auto all = embeddings(n);
  for (int i = 0; i < n; ++i) all[2][i * n_latent + 1] = 7.3f;
  auto without = all;
  for (int i = 0; i < n; ++i) without[2][i * n_latent + 1] = 0;

  const auto found = consensus_embedding(n, n_latent, n_models, rows_from(all));
  const auto zeros = consensus_embedding(n, n_latent, n_models, rows_from(without));

  EXPECT_EQ(found.scores, zeros.scores);
  EXPECT_NEAR(found.explained_share[0] + found.explained_share[1] + found.explained_share[2], 1,
              0.05);  // three directions and noise of 1 % of the variance or a little more
}

TEST(ConsensusEmbedding, IsTheSameOnOneAndThreeThreads) {
  const auto all = embeddings(3000);
  const auto run = [&] { return consensus_embedding(3000, n_latent, n_models, rows_from(all)); };

  EXPECT_EQ(test::on_threads(1, run).scores, test::on_threads(3, run).scores);
}

TEST(ConsensusEmbedding, RefusesValuesThatAreNotFinite) {
  auto all = embeddings(50);
  all[1][20] = std::nanf("");

  EXPECT_NE(test::message_of([&] {
              consensus_embedding(50, n_latent, n_models, rows_from(all));
            }).find("not finite"),
            std::string::npos);
}

}  // namespace
}  // namespace stamarker
