#pragma once
#include <Eigen/Dense>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace stamarker {

/// The points of a mixture moved to mean 0 and turned and scaled to covariance I, on the directions
/// in which they spread: x = mean + to_data y. A mixture with one full covariance is the same in
/// both, but for the constant log_density in the log-likelihood of a point.
class WhitenedPoints {
 public:
  static constexpr int group = 32;  // points side by side in `values`, the last group filled with 0

  /// data: [n_points, n_dims]. Throws InputError: not finite, no spread.
  WhitenedPoints(std::span<const float> data, int n_dims);

  int n_points() const { return n_points_; }
  int n_dims() const { return static_cast<int>(to_data_.cols()); }  // directions with spread
  int n_groups() const { return (n_points_ + group - 1) / group; }
  const double* of_group(int g) const {  // [n_dims, group]
    return values_.data() + static_cast<std::size_t>(g) * n_dims() * group;
  }
  double at(int point, int dim) const {
    return of_group(point / group)[dim * group + point % group];
  }

  const Eigen::VectorXd& mean() const { return mean_; }
  const Eigen::MatrixXd& to_data() const { return to_data_; }  // [data's n_dims, n_dims]
  const Eigen::VectorXd& spread() const { return spread_; }    // sd of each direction, descending
  double log_density() const { return -spread_.array().log().sum(); }

 private:
  int n_points_;
  Eigen::VectorXd mean_, spread_;
  Eigen::MatrixXd to_data_;
  std::vector<double> values_;  // [n_groups, n_dims, group]
};

/// In the coordinates of WhitenedPoints.
struct MixtureParameters {
  Eigen::VectorXd weight;      // [n_components]
  Eigen::MatrixXd mean;        // [n_dims, n_components]
  Eigen::MatrixXd covariance;  // [n_dims, n_dims]
};

struct MixtureFit {
  MixtureParameters parameters;
  double log_likelihood = 0;  // of the points as they were given
  int n_iterations = 0;
};

/// Repeats the two steps until the log-likelihood l changes by less than tolerance (1 + |l|).
/// Nothing when a component is left with less than one point's weight or the covariance becomes
/// singular (sd of a direction below 1e-6 of that of all points).
std::optional<MixtureFit> maximize(const WhitenedPoints& points, MixtureParameters start,
                                   double tolerance);

/// Most probable component of each point, the lower one of equals.
std::vector<std::int32_t> most_probable(const WhitenedPoints& points,
                                        const MixtureParameters& parameters);

/// How the points are scaled before they are clustered to make a start.
enum class StartScaling {
  none,  // as given
  svd,   // principal components divided by the square root of their spread, as mclust's
         // hcUse = "SVD" (but without scaling the columns first)
};

/// Parameters of the chosen points under a hierarchical clustering of them, cut at n_components.
/// Ward's criterion, that is model-based clustering with equal spherical components ("EII"),
/// O(n^2); mclust starts from the slower unconstrained one ("VVV"). Source: Scrucca and Raftery,
/// Adv. Data Anal. Classif. 2015.
MixtureParameters hierarchical_start(const WhitenedPoints& points, int n_components,
                                     std::span<const std::int32_t> chosen, StartScaling scaling);

}  // namespace stamarker
