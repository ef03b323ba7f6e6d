#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "cluster/expectation_maximization.hpp"

namespace stamarker {
namespace {

constexpr int summed_points = 1024;  // whose sums are added in block order

/// sum over blocks of block_sum(first point, last point), in block order.
template <class Sum, class BlockSum>
Sum sum_of_blocks(int n_points, Sum zero, BlockSum block_sum) {
  const int n_blocks = (n_points + summed_points - 1) / summed_points;
  std::vector<Sum> of_block(static_cast<std::size_t>(n_blocks), zero);
#pragma omp parallel for schedule(static)
  for (int b = 0; b < n_blocks; ++b)
    of_block[b] = block_sum(b * summed_points, std::min((b + 1) * summed_points, n_points));
  for (const Sum& part : of_block) zero += part;
  return zero;
}

using Rows =
    Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

}  // namespace

WhitenedPoints::WhitenedPoints(std::span<const float> data, int n_dims) {
  expects(n_dims > 0 && !data.empty() && data.size() % n_dims == 0, "data are [n_points, n_dims]");
  if (!std::ranges::all_of(data, [](float x) { return std::isfinite(x); }))
    throw InputError(
        "the embedding holds a value that is not finite (training diverged; lower "
        "autoencoder.learning_rate)");
  n_points_ = static_cast<int>(data.size() / n_dims);
  const Rows rows(data.data(), n_points_, n_dims);
  mean_ =
      sum_of_blocks(
          n_points_, Eigen::VectorXd(Eigen::VectorXd::Zero(n_dims)),
          [&](int first, int last) -> Eigen::VectorXd {
            return rows.middleRows(first, last - first).cast<double>().colwise().sum().transpose();
          }) /
      n_points_;
  const Eigen::MatrixXd covariance =
      sum_of_blocks(n_points_, Eigen::MatrixXd(Eigen::MatrixXd::Zero(n_dims, n_dims)),
                    [&](int first, int last) -> Eigen::MatrixXd {
                      const Eigen::MatrixXd centered =
                          rows.middleRows(first, last - first).cast<double>().rowwise() -
                          mean_.transpose();
                      return centered.transpose() * centered;
                    }) /
      n_points_;

  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(covariance);
  const Eigen::VectorXd variance = eigen.eigenvalues().reverse();
  const Eigen::MatrixXd direction = eigen.eigenvectors().rowwise().reverse();
  constexpr double least_share = 1e-12;  // of the widest direction's variance
  Eigen::Index n_kept = 0;
  while (n_kept < n_dims && variance[n_kept] > least_share * variance[0]) ++n_kept;
  if (!(variance[0] > 0))
    throw InputError(
        "the embedding is the same for all spots (nothing to cluster; check that "
        "training ran and that the spots' expression differs)");
  spread_ = variance.head(n_kept).cwiseSqrt();
  to_data_ = direction.leftCols(n_kept) * spread_.asDiagonal();
  const Eigen::MatrixXd to_white = direction.leftCols(n_kept) * spread_.cwiseInverse().asDiagonal();

  values_.assign(static_cast<std::size_t>(n_groups()) * n_kept * group, 0);
#pragma omp parallel for schedule(static)
  for (int g = 0; g < n_groups(); ++g) {
    const int n_here = std::min(group, n_points_ - g * group);
    const Eigen::MatrixXd white =
        (rows.middleRows(Eigen::Index{g} * group, n_here).cast<double>().rowwise() -
         mean_.transpose()) *
        to_white;
    Eigen::Map<Eigen::MatrixXd>(values_.data() + static_cast<std::size_t>(g) * n_kept * group,
                                group, n_kept)
        .topRows(n_here) = white;
  }
}

}  // namespace stamarker
