#include "cluster/expectation_maximization.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/error.hpp"
#include "base/instruction_sets.hpp"

namespace stamarker {
namespace {

constexpr int group = WhitenedPoints::group;
constexpr int sum_lanes = 8;          // partial sums side by side, added in lane order
constexpr int groups_per_block = 32;  // whose sums are added in block order

/// log(weight_k f(y; mean_k, covariance)) = offset_k + <slope_k, y> - |y|^2_covariance / 2 +
/// common; the last two are the same for all components.
struct Scores {
  Eigen::MatrixXd slope;    // [n_dims, n_components], covariance^-1 mean_k
  Eigen::VectorXd offset;   // [n_components], log weight_k - <mean_k, slope_k> / 2
  Eigen::MatrixXd inverse;  // of the covariance
  double common = 0;        // -(n_dims log(2 pi) + log det covariance) / 2
};

std::optional<Scores> scores_of(const MixtureParameters& parameters) {
  const Eigen::LLT<Eigen::MatrixXd> factor(parameters.covariance);
  if (factor.info() != Eigen::Success) return std::nullopt;
  const Eigen::VectorXd diagonal = factor.matrixLLT().diagonal();
  constexpr double least_sd = 1e-6;  // of the spread of all points, 1
  if (!(diagonal.minCoeff() > least_sd)) return std::nullopt;
  Scores scores;
  const auto n_dims = static_cast<double>(diagonal.size());
  scores.slope = factor.solve(parameters.mean);
  scores.offset =
      parameters.weight.array().log() -
      0.5 * parameters.mean.cwiseProduct(scores.slope).colwise().sum().transpose().array();
  scores.inverse = factor.solve(Eigen::MatrixXd::Identity(diagonal.size(), diagonal.size()));
  scores.common = -0.5 * n_dims * std::log(2 * std::numbers::pi) - diagonal.array().log().sum();
  return scores;
}

/// score[k][point] for one group of points.
STM_VECTOR_CLONES void score_group(const double* y, int n_dims, const double* slope,
                                   const double* offset, int n_components, double* score) {
  for (int k = 0; k < n_components; ++k) {
    double sum[group];
    for (int p = 0; p < group; ++p) sum[p] = offset[k];
    for (int d = 0; d < n_dims; ++d) {
      const double s = slope[k * n_dims + d];
      for (int p = 0; p < group; ++p) sum[p] += s * y[d * group + p];
    }
    for (int p = 0; p < group; ++p) score[k * group + p] = sum[p];
  }
}

/// sum[k][d] += sum over points of probability[k][point] y[d][point].
STM_VECTOR_CLONES void add_weighted(const double* y, int n_dims, const double* probability,
                                    int n_components, double* sum) {
  for (int k = 0; k < n_components; ++k)
    for (int d = 0; d < n_dims; ++d) {
      double part[sum_lanes] = {};
      for (int p = 0; p < group; p += sum_lanes)
        for (int lane = 0; lane < sum_lanes; ++lane)
          part[lane] += probability[k * group + p + lane] * y[d * group + p + lane];
      for (int lane = 0; lane < sum_lanes; ++lane) sum[k * n_dims + d] += part[lane];
    }
}

/// What the points contribute to the next parameters and to the log-likelihood.
struct Sums {
  Eigen::VectorXd weight;  // [n_components], sum_i p_ik
  Eigen::MatrixXd point;   // [n_dims, n_components], sum_i p_ik y_i
  double log_sum = 0;      // sum_i log sum_k exp(score_ik)
};

/// Turns the scores of one point into probabilities; returns log sum_k exp(score_k).
double to_probabilities(double* score, int n_components) {
  const auto at = [score](int k) -> double& { return score[std::ptrdiff_t{k} * group]; };
  double top = at(0);
  for (int k = 1; k < n_components; ++k) top = std::max(top, at(k));
  double total = 0;
  for (int k = 0; k < n_components; ++k) {
    constexpr double negligible = -45;  // exp of it is below half the last bit of 1
    const double below_top = at(k) - top;
    total += at(k) = below_top > negligible ? std::exp(below_top) : 0;
  }
  for (int k = 0; k < n_components; ++k) at(k) /= total;
  return top + std::log(total);
}

Sums sums_of_block(const WhitenedPoints& points, const Scores& scores, int first_group,
                   int last_group) {
  const auto n_components = static_cast<int>(scores.offset.size());
  const int n_dims = points.n_dims();
  Sums sums{Eigen::VectorXd::Zero(n_components), Eigen::MatrixXd::Zero(n_dims, n_components), 0};
  std::vector<double> score(static_cast<std::size_t>(n_components) * group);
  for (int g = first_group; g < last_group; ++g) {
    const double* y = points.of_group(g);
    score_group(y, n_dims, scores.slope.data(), scores.offset.data(), n_components, score.data());
    const int n_here = std::min(group, points.n_points() - g * group);
    for (int p = 0; p < n_here; ++p) {
      sums.log_sum += to_probabilities(score.data() + p, n_components);
      for (int k = 0; k < n_components; ++k) sums.weight[k] += score[k * group + p];
    }
    // Beyond the last point y is 0, so whatever stands there as a probability adds nothing.
    add_weighted(y, n_dims, score.data(), n_components, sums.point.data());
  }
  return sums;
}

Sums sums_of(const WhitenedPoints& points, const Scores& scores) {
  const int n_blocks = (points.n_groups() + groups_per_block - 1) / groups_per_block;
  std::vector<Sums> of_block(static_cast<std::size_t>(n_blocks));
#pragma omp parallel for schedule(static)
  for (int b = 0; b < n_blocks; ++b)
    of_block[b] = sums_of_block(points, scores, b * groups_per_block,
                                std::min((b + 1) * groups_per_block, points.n_groups()));
  for (int b = 1; b < n_blocks; ++b) {
    of_block[0].weight += of_block[b].weight;
    of_block[0].point += of_block[b].point;
    of_block[0].log_sum += of_block[b].log_sum;
  }
  return std::move(of_block[0]);
}

}  // namespace

std::optional<MixtureFit> maximize(const WhitenedPoints& points, MixtureParameters start,
                                   double tolerance) {
  constexpr int most_iterations = 10000;
  const auto n = static_cast<double>(points.n_points());
  MixtureFit fit{std::move(start), 0, 0};
  MixtureParameters& parameters = fit.parameters;
  for (int iteration = 1;; ++iteration) {
    const auto scores = scores_of(parameters);
    if (!scores) return std::nullopt;
    const Sums sums = sums_of(points, *scores);
    // sum_i |y_i|^2_covariance = n trace(covariance^-1), as the covariance of all points is I.
    const double log_likelihood =
        sums.log_sum + n * (points.log_density() + scores->common - 0.5 * scores->inverse.trace());
    const double change = std::abs(log_likelihood - fit.log_likelihood);
    fit.log_likelihood = log_likelihood;
    fit.n_iterations = iteration;
    const bool is_stable = iteration > 1 && change < tolerance * (1 + std::abs(log_likelihood));
    if (is_stable || iteration == most_iterations) return fit;

    if (!(sums.weight.minCoeff() > 1)) return std::nullopt;
    parameters.weight = sums.weight / n;
    parameters.mean = sums.point.array().rowwise() / sums.weight.transpose().array();
    parameters.covariance = Eigen::MatrixXd::Identity(points.n_dims(), points.n_dims()) -
                            sums.point * parameters.mean.transpose() / n;
  }
}

std::vector<std::int32_t> most_probable(const WhitenedPoints& points,
                                        const MixtureParameters& parameters) {
  const auto scores = scores_of(parameters);
  expects(scores.has_value(), "the mixture was fitted");
  const auto n_components = static_cast<int>(scores->offset.size());
  std::vector<std::int32_t> labels(static_cast<std::size_t>(points.n_points()));
#pragma omp parallel for schedule(static)
  for (int g = 0; g < points.n_groups(); ++g) {
    std::vector<double> score(static_cast<std::size_t>(n_components) * group);
    score_group(points.of_group(g), points.n_dims(), scores->slope.data(), scores->offset.data(),
                n_components, score.data());
    for (int p = 0; p < std::min(group, points.n_points() - g * group); ++p) {
      std::int32_t best = 0;
      for (int k = 1; k < n_components; ++k)
        if (score[k * group + p] > score[best * group + p]) best = k;
      labels[static_cast<std::size_t>(g) * group + p] = best;
    }
  }
  return labels;
}

}  // namespace stamarker
