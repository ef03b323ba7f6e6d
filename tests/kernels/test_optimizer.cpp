#include <cmath>

#include "kernels/kernel_test.hpp"

namespace stamarker::test {
namespace {

std::vector<float> waves(std::size_t n, double amplitude, double step) {
  std::vector<float> values(n);
  for (std::size_t k = 0; k < n; ++k)
    values[k] = static_cast<float>(amplitude * std::sin(1 + step * static_cast<double>(k)));
  return values;
}

}  // namespace

class Update : public KernelTest {};

TEST_P(Update, AdamFollowsItsEquationsInBothPartsInTurn) {
  constexpr std::size_t n = 40001, n_second = 33333;  // more than one block, no round number
  // The sixth step, after two decays of the rate: 4e-2 / 2^2.
  const AdamOptions options{4e-2f, 0.5f, 2, 1e-3f, 0.5f};
  const Buffer<std::int32_t> epoch = counter(5);
  std::vector<float> weight = waves(n, 1, 0.37), gradient = waves(n + n_second, 0.1, 0.11);
  std::vector<float> moments = waves(2 * (n + n_second), 0.05, 0.23);
  for (std::size_t k = n + n_second; k < moments.size(); ++k) moments[k] = std::abs(moments[k]);
  double squared = 0;
  for (const float g : gradient) squared += static_cast<double>(g) * g;
  Buffer<float> d_weight(*backend, std::span<const float>(weight)),
      d_moments(*backend, std::span<const float>(moments));
  const Buffer<float> d_gradient(*backend, std::span<const float>(gradient));
  Buffer<double> norm(*backend, 1);

  backend->sum_of_squares(d_gradient.span(), norm.span());
  backend->adam(options, epoch.span(), d_weight.span(), n_second, d_gradient.span(),
                d_moments.span(), norm.span());

  EXPECT_NEAR(norm.to_host()[0], squared, 1e-6 * squared);
  const double clip = std::min(1.0, 0.5 / (std::sqrt(squared) + 1e-6));
  ASSERT_LT(clip, 1);
  std::vector<double> expected(weight.begin(), weight.end());
  const auto apply = [&](std::size_t k, std::size_t at) {
    const double g = clip * gradient[at] + 1e-3 * expected[k];
    const double m = 0.9 * moments[at] + 0.1 * g;
    const double v = 0.999 * moments[at + n + n_second] + 0.001 * g * g;
    expected[k] -=
        1e-2 * (m / (1 - std::pow(0.9, 6))) / (std::sqrt(v / (1 - std::pow(0.999, 6))) + 1e-8);
  };
  for (std::size_t k = 0; k < n; ++k) apply(k, k);
  for (std::size_t k = 0; k < n_second; ++k) apply(k, n + k);
  expect_near(d_weight.to_host(), expected, sum_tolerance(20, 1), "weights");
}

TEST_P(Update, SmallGradientsAreNotClipped) {
  const std::vector<float> gradient{1e-3f, -1e-3f};
  const auto moments_after = [&](float clip_norm) {
    Buffer<float> weight(*backend, 2), moments(*backend, 4);
    weight.clear(), moments.clear();
    const Buffer<float> d_gradient(*backend, std::span<const float>(gradient));
    Buffer<double> norm(*backend, 1);
    backend->sum_of_squares(d_gradient.span(), norm.span());
    backend->adam({1e-2f, 1, 1, 0, clip_norm}, counter(0).span(), weight.span(), 0,
                  d_gradient.span(), moments.span(), norm.span());
    return moments.to_host();
  };

  EXPECT_EQ(moments_after(5), moments_after(0));
  EXPECT_NE(moments_after(1e-4f), moments_after(0));
}

TEST_P(Update, DotIsTheSumOfProductsInDouble) {
  const std::vector<float> a = waves(777 * 33, 1, 0.7), b = waves(777 * 33, 1, 0.3);
  const Buffer<float> d_a(*backend, std::span<const float>(a)),
      d_b(*backend, std::span<const float>(b));
  Buffer<double> out(*backend, 1);

  backend->dot(d_a.matrix(777, 33), d_b.matrix(777, 33), out.span());

  double expected = 0;
  for (std::size_t k = 0; k < a.size(); ++k) expected += static_cast<double>(a[k]) * b[k];
  // lanes of 8 products each are added in float before they go to double
  EXPECT_NEAR(out.to_host()[0], expected, sum_tolerance(8, static_cast<double>(a.size())));
}

TEST_P(Update, AddAddsElementByElement) {
  const std::vector<float> a = waves(40001, 1, 0.7), b = waves(40001, 1, 0.3);
  const Buffer<float> from(*backend, std::span<const float>(a));
  Buffer<float> to(*backend, std::span<const float>(b));
  const std::vector<double> c{0.1, -7}, d{1e-17, 3};
  const Buffer<double> from_double(*backend, std::span<const double>(c));
  Buffer<double> to_double(*backend, std::span<const double>(d));

  backend->add(from.span(), to.span());
  backend->add(from_double.span(), to_double.span());

  const std::vector<float> got = to.to_host();
  for (std::size_t k = 0; k < a.size(); ++k) ASSERT_EQ(got[k], b[k] + a[k]) << k;
  EXPECT_EQ(to_double.to_host(), (std::vector<double>{0.1 + 1e-17, -4}));
}

TEST_P(Update, AFinishedEpochIsARowOfTheHistoryAndCounts) {
  const std::vector<double> zeros(15);
  Buffer<double> history(*backend, std::span<const double>(zeros));
  Buffer<std::int32_t> epoch = counter(2);

  for (const double first : {1.5, 7.5}) {
    const std::vector<double> sums{first, 2e-300, 3};
    const Buffer<double> d_sums(*backend, std::span<const double>(sums));
    backend->finish_epoch(d_sums.span(), history.matrix(5, 3), epoch.span());
    backend->synchronize();
  }

  EXPECT_EQ(history.to_host(),
            (std::vector<double>{0, 0, 0, 0, 0, 0, 1.5, 2e-300, 3, 7.5, 2e-300, 3, 0, 0, 0}));
  EXPECT_EQ(history.to_host(9, 2), (std::vector<double>{7.5, 2e-300}));
  EXPECT_EQ(epoch.to_host(), std::vector<std::int32_t>{4});
}

TEST_P(Update, ACapturedGraphIsEnqueuedAgainByEveryLaunch) {
  const std::vector<float> one{1, 1, 1};
  const std::vector<double> sums{0.5, 0.25};
  const Buffer<float> from(*backend, std::span<const float>(one));
  const Buffer<double> d_sums(*backend, std::span<const double>(sums));
  Buffer<float> to(*backend, 3), workspace(*backend, 3);
  Buffer<double> history(*backend, 2 * 8);
  Buffer<std::int32_t> epoch = counter(0);
  to.clear(), history.clear();
  const auto enqueue = [&] {
    workspace.clear();
    backend->add(from.span(), workspace.span());
    backend->add(workspace.span(), to.span());
    backend->finish_epoch(d_sums.span(), history.matrix(8, 2), epoch.span());
  };
  enqueue();

  const auto graph = backend->capture(enqueue);

  EXPECT_EQ(epoch.to_host(), std::vector<std::int32_t>{1}) << "capturing runs nothing";
  for (int k = 0; k < 5; ++k) graph->launch();
  EXPECT_EQ(epoch.to_host(), std::vector<std::int32_t>{6});
  EXPECT_EQ(to.to_host(), std::vector<float>(3, 6.0f));
  EXPECT_EQ(history.to_host(0, 12),
            (std::vector<double>{.5, .25, .5, .25, .5, .25, .5, .25, .5, .25, .5, .25}));
  EXPECT_EQ(history.to_host(12, 4), std::vector<double>(4, 0.0));
}

INSTANTIATE_TEST_SUITE_P(On, Update, ::testing::ValuesIn(available_devices()), device_name);

}  // namespace stamarker::test
