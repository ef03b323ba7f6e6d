#include <cmath>

#include "base/error.hpp"
#include "cluster/expectation_maximization.hpp"
#include "cluster/linkage.hpp"

namespace stamarker {
namespace {

/// Squared distances of the rows of `points`, [n, n_dims].
PairMatrix<float> squared_distances(const Eigen::MatrixXf& points) {
  const auto n = static_cast<int>(points.rows());
  PairMatrix<float> distance(n);
  for (int i = 1; i < n; ++i) {
    Eigen::Map<Eigen::ArrayXf> row(distance.row(i), i);
    row.setZero();
    for (Eigen::Index d = 0; d < points.cols(); ++d)
      row += (points.col(d).head(i).array() - points(i, d)).square();
  }
  return distance;
}

}  // namespace

MixtureParameters hierarchical_start(const WhitenedPoints& points, int n_components,
                                     std::span<const std::int32_t> chosen, StartScaling scaling) {
  const auto n = static_cast<Eigen::Index>(chosen.size());
  Eigen::MatrixXd white(n, points.n_dims());
  for (Eigen::Index i = 0; i < n; ++i)
    for (int d = 0; d < points.n_dims(); ++d) white(i, d) = points.at(chosen[i], d);
  const Eigen::VectorXd scale =
      (points.spread() / points.spread()[0]).array().pow(scaling == StartScaling::svd ? 0.5 : 1.0);
  PairMatrix<float> distance = squared_distances((white * scale.asDiagonal()).cast<float>());
  std::vector<double> weight(chosen.size(), 1);
  // Ward: with d the squared distance of two points, the criterion is n_a n_b / (n_a + n_b) |.|^2.
  const auto merges = in_height_order(nearest_neighbor_chain(
      distance, weight, [](float d_ac, float d_bc, float d_ab, double n_a, double n_b, double n_c) {
        const auto total = static_cast<float>(n_a + n_b + n_c);
        return (static_cast<float>(n_a + n_c) * d_ac + static_cast<float>(n_b + n_c) * d_bc -
                static_cast<float>(n_c) * d_ab) /
               total;
      }));
  const auto label = cut(merges, n_components);

  MixtureParameters start{Eigen::VectorXd::Zero(n_components),
                          Eigen::MatrixXd::Zero(points.n_dims(), n_components),
                          {}};
  for (Eigen::Index i = 0; i < n; ++i) {
    ++start.weight[label[i]];
    start.mean.col(label[i]) += white.row(i).transpose();
  }
  start.mean.array().rowwise() /= start.weight.transpose().array();
  for (Eigen::Index i = 0; i < n; ++i) white.row(i) -= start.mean.col(label[i]).transpose();
  start.covariance = white.transpose() * white / static_cast<double>(n);
  start.weight /= static_cast<double>(n);
  return start;
}

}  // namespace stamarker
