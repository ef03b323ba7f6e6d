#include "cluster/mixture.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cluster/expectation_maximization.hpp"

namespace stamarker {
namespace {

constexpr double start_tolerance = 1e-5;  // of every start, mclust's control.EM
constexpr double final_tolerance = 1e-8;  // of the best start

void check_size(const WhitenedPoints& points, int n_components) {
  if (n_components < 1 || n_components > points.n_points())
    throw InputError(
        fmt::format("clustering.n_components = {} (must lie in 1 .. number of spots = {})",
                    n_components, points.n_points()));
  if (points.n_points() <= n_components + points.n_dims())
    throw InputError(fmt::format(
        "clustering.n_components = {} (a mixture on {} needs more than {}, "
        "there are {}; ask for fewer components, a smaller embedding or clustering.method = "
        "leiden)",
        n_components, counted(points.n_dims(), "latent dimension"),
        counted(n_components + points.n_dims(), "spot"), points.n_points()));
}

/// n_chosen of 0 .. n_points - 1 without repetition (Fisher and Yates), in random order.
std::vector<std::int32_t> random_subset(int n_points, int n_chosen, RandomSequence random) {
  std::vector<std::int32_t> index(static_cast<std::size_t>(n_points));
  std::iota(index.begin(), index.end(), 0);
  for (int i = 0; i < n_chosen; ++i)
    std::swap(index[i], index[i + random.below(static_cast<std::uint32_t>(n_points - i))]);
  index.resize(n_chosen);
  return index;
}

/// Starts differ by their points and in turn by their scaling. The first two see as many points as
/// mclust's; the others fewer, which costs a quarter and leads to more different optima.
MixtureParameters start_of(const WhitenedPoints& points, int n_components, int start,
                           RandomKey key) {
  const int n = points.n_points();
  const int n_chosen = start < 2 ? std::min(n, 2000)
                                 : std::max(std::min(n, 1000 + n_components) * 4 / 5, n_components);
  const auto chosen =
      random_subset(n, n_chosen, RandomSequence(key, static_cast<std::uint32_t>(start)));
  return hierarchical_start(points, n_components, chosen,
                            start % 2 == 0 ? StartScaling::svd : StartScaling::none);
}

GaussianMixture in_data_coordinates(const WhitenedPoints& points, const MixtureFit& fit) {
  GaussianMixture mixture;
  mixture.n_components = static_cast<int>(fit.parameters.weight.size());
  mixture.n_dims = static_cast<int>(points.mean().size());
  mixture.log_likelihood = fit.log_likelihood;
  mixture.n_iterations = fit.n_iterations;
  mixture.labels = most_probable(points, fit.parameters);
  const Eigen::MatrixXd mean =  // by columns, hence [n_components, n_dims] by rows
      (points.to_data() * fit.parameters.mean).colwise() + points.mean();
  const Eigen::MatrixXd covariance =
      points.to_data() * fit.parameters.covariance * points.to_data().transpose();
  mixture.mean.assign(mean.data(), mean.data() + mean.size());
  mixture.covariance.assign(covariance.data(), covariance.data() + covariance.size());
  mixture.weight.assign(fit.parameters.weight.begin(), fit.parameters.weight.end());
  return mixture;
}

}  // namespace

GaussianMixture fit_mixture(std::span<const float> data, int n_dims, int n_components, int n_init,
                            RandomKey key) {
  expects(n_init > 0, "at least one start");
  const WhitenedPoints points(data, n_dims);
  check_size(points, n_components);

  std::vector<std::optional<MixtureFit>> fits(static_cast<std::size_t>(n_init));
#pragma omp parallel for schedule(dynamic, 1) if (points.n_points() < one_start_at_a_time)
  for (int start = 0; start < n_init; ++start)
    fits[start] = maximize(points, start_of(points, n_components, start, key), start_tolerance);

  const auto is_worse = [](const auto& a, const auto& b) {
    return !a || (b && a->log_likelihood < b->log_likelihood);
  };
  const auto best = std::ranges::max_element(fits, is_worse);
  if (!*best)
    throw InputError(fmt::format(
        "clustering.n_components = {} (all {} starts lost a component or met a singular "
        "covariance: "
        "the embedding has too few distinct points for so many; ask for fewer components or use "
        "clustering.method = leiden)",
        n_components, n_init));
  const int n_before = (*best)->n_iterations;
  if (auto longer = maximize(points, (*best)->parameters, final_tolerance)) {
    *best = std::move(longer);
    (*best)->n_iterations += n_before;
  }
  GaussianMixture mixture = in_data_coordinates(points, **best);
  mixture.n_failed_starts =
      static_cast<int>(std::ranges::count_if(fits, [](const auto& fit) { return !fit; }));
  return mixture;
}

}  // namespace stamarker
