#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "cluster/cluster_test.hpp"
#include "cluster/consensus.hpp"
#include "cluster/expectation_maximization.hpp"
#include "cluster/mixture.hpp"
#include "support/golden.hpp"

namespace stamarker {
namespace {

using test::key;
using test::message_of;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMatrix = Eigen::Map<const Matrix>;

/// sum_i log sum_k weight_k Normal(x_i; mean_k, covariance), written out point by point.
double log_likelihood_of(const GaussianMixture& m, std::span<const float> data) {
  const ConstMatrix covariance(m.covariance.data(), m.n_dims, m.n_dims);
  const Matrix inverse = covariance.inverse();
  const double log_determinant = std::log(covariance.determinant());
  double sum = 0;
  for (std::size_t i = 0; i < data.size() / m.n_dims; ++i) {
    double density = 0;
    for (int k = 0; k < m.n_components; ++k) {
      Eigen::VectorXd difference(m.n_dims);
      for (int d = 0; d < m.n_dims; ++d)
        difference[d] = data[i * m.n_dims + d] - m.mean[static_cast<std::size_t>(k) * m.n_dims + d];
      density +=
          m.weight[k] * std::exp(-0.5 * (difference.dot(inverse * difference) + log_determinant +
                                         m.n_dims * std::log(2 * std::numbers::pi)));
    }
    sum += std::log(density);
  }
  return sum;
}

class MixtureGolden : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    STM_NEEDS_SHARED("golden/clusters.h5");
    const auto file = h5::open_to_read((test::shared_folder() / "golden/clusters.h5").string());
    const std::string group = GetParam() + "/mclust_EEE/";
    z = h5::read<float>(file, GetParam() + "/Z");
    log_likelihood = h5::read<double>(file, group + "log_likelihood");
    mean = h5::read<double>(file, group + "mean");
    covariance = h5::read<double>(file, group + "covariance");
    weight = h5::read<double>(file, group + "weight");
  }

  std::vector<float> z;
  std::vector<double> log_likelihood, mean, covariance, weight;
};

TEST_P(MixtureGolden, TenStartsReachTheBestOfMclustsFiveSeeds) {
  const double best = std::ranges::max(log_likelihood);
  for (std::uint32_t seed = 0; seed < 3; ++seed) {
    const GaussianMixture found = fit_mixture(z, 30, 7, 10, {seed, 0, Purpose::clustering});

    EXPECT_GE(found.log_likelihood, best - 1e-3 * std::abs(best)) << "seed " << seed;
    EXPECT_NEAR(found.log_likelihood, log_likelihood_of(found, z), 1e-7 * std::abs(best));
  }
}

TEST_P(MixtureGolden, FromMclustsParametersItStaysAtMclustsOptimum) {
  const WhitenedPoints points(z, 30);
  const ConstMatrix r_mean(mean.data(), 7, 30), r_covariance(covariance.data(), 30, 30);
  const Eigen::MatrixXd to_white =
      points.spread().cwiseAbs2().cwiseInverse().asDiagonal() * points.to_data().transpose();
  MixtureParameters start{
      Eigen::Map<const Eigen::VectorXd>(weight.data(), 7),
      to_white * (r_mean.transpose().colwise() - points.mean()),
      to_white * r_covariance * to_white.transpose(),
  };

  const auto found = maximize(points, start, std::numeric_limits<double>::infinity());

  // mclust stopped when a step gained less than 1e-5 (1 + |l|); ours made one more.
  const double r = log_likelihood.front();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->n_iterations, 2);
  EXPECT_GE(found->log_likelihood, r - 1e-8 * std::abs(r));
  EXPECT_LE(found->log_likelihood, r + 2e-5 * (1 + std::abs(r)));
}

INSTANTIATE_TEST_SUITE_P(Golden, MixtureGolden,
                         ::testing::Values("dlpfc_151673_model0", "starmap_by3_model0",
                                           "starmap_by3_model1"),
                         [](const auto& test) { return test.param; });

TEST(Mixture, RecoversWhatThePointsWereDrawnFrom) {
  const int n = 6000;
  const auto points = test::points_around_corners(n, 4, 3, 12, 1);

  const GaussianMixture found = fit_mixture(points, 4, 3, 2, key);

  EXPECT_EQ(adjusted_rand_index(found.labels, test::corner_of_points(n, 3)), 1);
  const double error = 5 / std::sqrt(n / 3.0);  // five standard errors of a mean of 2000
  for (int k = 0; k < 3; ++k) {
    const int corner =
        static_cast<int>(std::ranges::find(found.labels, k) - found.labels.begin()) % 3;
    EXPECT_NEAR(found.weight[k], 1.0 / 3, 1e-6);
    for (int d = 0; d < 4; ++d) EXPECT_NEAR(found.mean[k * 4 + d], d == corner ? 12 : 0, error);
  }
  for (int d = 0; d < 4; ++d)
    for (int e = 0; e < 4; ++e)
      EXPECT_NEAR(found.covariance[d * 4 + e], d == e ? 1 : 0, 5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(found.log_likelihood, log_likelihood_of(found, points), 1e-9 * n * 10);
}

TEST(Mixture, OneComponentIsTheNormalDistributionOfAllPoints) {
  const int n = 500;
  const auto points = test::normal(n, 3, 2);
  const auto data = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, 3, Eigen::RowMajor>>(
                        points.data(), n, 3)
                        .cast<double>()
                        .eval();
  const Eigen::RowVectorXd mean = data.colwise().mean();
  const Eigen::MatrixXd centered = data.rowwise() - mean;
  const Eigen::MatrixXd covariance = centered.transpose() * centered / n;

  const GaussianMixture found = fit_mixture(points, 3, 1, 1, key);

  EXPECT_NEAR(
      found.log_likelihood,
      -0.5 * n * (3 + 3 * std::log(2 * std::numbers::pi) + std::log(covariance.determinant())),
      1e-9 * n);
  for (int d = 0; d < 3; ++d) {
    EXPECT_NEAR(found.mean[d], mean[d], 1e-12);
    for (int e = 0; e < 3; ++e) EXPECT_NEAR(found.covariance[d * 3 + e], covariance(d, e), 1e-12);
  }
}

TEST(HierarchicalStart, JoinsWhatAddsLeastToTheSumOfSquaresWithin) {
  const int n = 70, n_dims = 3, n_components = 5;
  const WhitenedPoints points(test::normal(n, n_dims, 4), n_dims);
  Eigen::MatrixXd scaled(n, n_dims);
  for (int i = 0; i < n; ++i)
    for (int d = 0; d < n_dims; ++d) scaled(i, d) = points.at(i, d) * points.spread()[d];
  std::vector<std::vector<int>> groups(n);
  for (int i = 0; i < n; ++i) groups[i] = {i};
  const auto within = [&](const std::vector<int>& group) {
    const Eigen::MatrixXd rows = scaled(group, Eigen::all);
    return (rows.rowwise() - rows.colwise().mean()).squaredNorm();
  };
  while (groups.size() > n_components) {
    std::size_t at_a = 0, at_b = 1;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t a = 0; a < groups.size(); ++a)
      for (std::size_t b = a + 1; b < groups.size(); ++b) {
        auto both = groups[a];
        both.insert(both.end(), groups[b].begin(), groups[b].end());
        const double added = within(both) - within(groups[a]) - within(groups[b]);
        if (added >= least) continue;
        least = added;
        at_a = a;
        at_b = b;
      }
    groups[at_a].insert(groups[at_a].end(), groups[at_b].begin(), groups[at_b].end());
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(at_b));
  }
  std::vector<std::int32_t> all(n);
  std::iota(all.begin(), all.end(), 0);

  const MixtureParameters start = hierarchical_start(points, n_components, all, StartScaling::none);

  for (int k = 0; k < n_components; ++k) {  // both number groups by their first point
    EXPECT_DOUBLE_EQ(start.weight[k], static_cast<double>(groups[k].size()) / n);
    for (int d = 0; d < n_dims; ++d) {
      double mean = 0;
      for (const int i : groups[k]) mean += points.at(i, d) / static_cast<double>(groups[k].size());
      EXPECT_NEAR(start.mean(d, k), mean, 1e-12);
    }
  }
}

TEST(Mixture, EveryIterationGainsLikelihood) {
  const WhitenedPoints points(test::points_around_corners(900, 5, 4, 2.5, 3), 5);
  std::vector<std::int32_t> some(200);
  std::iota(some.begin(), some.end(), 0);
  const auto start = hierarchical_start(points, 4, some, StartScaling::svd);
  const auto finished = maximize(points, start, 1e-9);
  ASSERT_TRUE(finished.has_value());

  // An infinite tolerance stops after two steps: from the first fit's end the second goes on.
  double before = -std::numeric_limits<double>::infinity();
  MixtureParameters parameters = start;
  for (int k = 0; k < 20; ++k) {
    const auto fit = maximize(points, parameters, std::numeric_limits<double>::infinity());
    ASSERT_TRUE(fit.has_value());
    EXPECT_GE(fit->log_likelihood, before - 1e-9 * std::abs(before));
    before = fit->log_likelihood;
    parameters = fit->parameters;
  }
  EXPECT_GE(finished->log_likelihood, before - 1e-6 * std::abs(before));
}

TEST(Mixture, TotalCovarianceIsWithinPlusBetween) {
  const int n = 900;
  const auto points = test::points_around_corners(n, 5, 4, 2.5, 3);

  const GaussianMixture found = fit_mixture(points, 5, 4, 3, key);

  Eigen::MatrixXd total = ConstMatrix(found.covariance.data(), 5, 5);
  const ConstMatrix mean(found.mean.data(), 4, 5);
  Eigen::RowVectorXd center = Eigen::RowVectorXd::Zero(5);
  for (int k = 0; k < 4; ++k) center += found.weight[k] * mean.row(k);
  for (int k = 0; k < 4; ++k)
    total += found.weight[k] * (mean.row(k) - center).transpose() * (mean.row(k) - center);
  const auto data = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, 5, Eigen::RowMajor>>(
                        points.data(), n, 5)
                        .cast<double>()
                        .eval();
  const Eigen::MatrixXd centered = data.rowwise() - data.colwise().mean();
  EXPECT_NEAR((total - centered.transpose() * centered / n).norm(), 0, 1e-12);
}

TEST(Mixture, PermutedAndAffinelyMovedPointsGiveTheSamePartition) {
  // Well separated, so that every start ends in the same optimum.
  const int n = 400;
  const auto points = test::points_around_corners(n, 3, 3, 15, 5);
  const auto order = test::permutation(n, 2);
  auto moved = test::rows_in_order(points, order);
  for (int i = 0; i < n; ++i) {
    float* x = moved.data() + 3 * static_cast<std::ptrdiff_t>(i);
    const float a = x[0], b = x[1], c = x[2];
    x[0] = 100 + 2 * a + b;
    x[1] = -40 + 3 * b - c;
    x[2] = 7 + 0.5f * c;
  }

  const GaussianMixture original = fit_mixture(points, 3, 3, 4, key);
  const GaussianMixture other = fit_mixture(moved, 3, 3, 4, key);

  EXPECT_EQ(adjusted_rand_index(test::rows_in_order(original.labels, order), other.labels), 1);
  // The density shrinks by the determinant 2 * 3 * 0.5; coordinates are rounded to 24 bits of 100.
  EXPECT_NEAR(other.log_likelihood, original.log_likelihood - n * std::log(3.0), n * 1e-4);
}

TEST(Mixture, IsTheSameOnOneAndThreeThreadsAndForTheSameSeed) {
  const auto points = test::points_around_corners(4000, 6, 4, 3, 7);
  const auto run = [&] { return fit_mixture(points, 6, 4, 3, key); };

  const GaussianMixture one = test::on_threads(1, run), three = test::on_threads(3, run);

  EXPECT_EQ(one.labels, three.labels);
  EXPECT_EQ(one.mean, three.mean);
  EXPECT_EQ(one.covariance, three.covariance);
  EXPECT_EQ(one.log_likelihood, three.log_likelihood);
}

TEST(Mixture, DirectionsWithoutSpreadAreLeftOut) {
  const std::size_t n = 300;
  const auto three = test::points_around_corners(n, 3, 3, 9, 6);
  std::vector<float> five;  // a constant column and a copy of the first
  for (std::size_t i = 0; i < n; ++i)
    for (const float x : {three[3 * i], 4.0f, three[3 * i + 1], three[3 * i], three[3 * i + 2]})
      five.push_back(x);

  const GaussianMixture found = fit_mixture(five, 5, 3, 3, key);

  EXPECT_EQ(adjusted_rand_index(found.labels, fit_mixture(three, 3, 3, 3, key).labels), 1);
  EXPECT_NEAR(found.mean[1], 4, 1e-9);
  EXPECT_NEAR(found.covariance[6], 0, 1e-9);
}

TEST(Mixture, RefusesWhatCannotBeFitted) {
  const auto points = test::normal(60, 4, 9);
  auto broken = points;
  broken[5] = std::nanf("");
  std::vector<float> few;  // three distinct points
  for (int i = 0; i < 60; ++i)
    for (int d = 0; d < 4; ++d) few.push_back(static_cast<float>((i % 3 == d) * (d + 1)));
  const auto error_of = [](const std::vector<float>& data, int n_components) {
    return message_of([&] { fit_mixture(data, 4, n_components, 3, key); });
  };

  EXPECT_NE(error_of(points, 61).find("number of spots = 60"), std::string::npos);
  EXPECT_NE(error_of(points, 57).find("needs more than 61 spots"), std::string::npos);
  EXPECT_NE(error_of(broken, 3).find("not finite"), std::string::npos);
  EXPECT_NE(error_of(std::vector<float>(240, 1.5f), 3).find("the same for all spots"),
            std::string::npos);
  EXPECT_NE(error_of(few, 3).find("all 3 starts"), std::string::npos);
}

}  // namespace
}  // namespace stamarker
