#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "data/loess.hpp"

namespace stamarker::test {
namespace {

TEST(Loess, MatchesScikitMiscOnSixtyPoints) {
  std::vector<double> x, y;
  for (int i = 0; i < 60; ++i) {
    x.push_back(((i * 37) % 101) / 10.0);
    y.push_back(std::sin(x.back()));
  }
  // skmisc.loess.loess(x, y, span=.3, degree=2).outputs.fitted_values, scikit-misc 0.5.3
  const std::vector<double> wanted{-0.0353672877910634, -0.52940715129128857, 0.89475665762891698,
                                   0.84584400631328516, -0.9917945033845017,  0.8473160670864921,
                                   0.90505963967064729, -0.5471512760386581,  0.069321296321504813,
                                   0.13812814709399726, 0.402142119610849,    0.31132036462615864};

  const std::vector<double> fitted = loess(x, y);

  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(fitted[i], wanted[i], 1e-14) << i;
}

TEST(Loess, ReproducesAQuadratic) {
  for (const int n : {5, 14, 100, 1001}) {
    std::vector<double> x, y;
    for (int i = 0; i < n; ++i) {
      x.push_back(std::fmod(i * 0.618034, 1.0) * 3 - 1);
      y.push_back(2 - 3 * x.back() + 0.5 * x.back() * x.back());
    }

    const std::vector<double> fitted = loess(x, y);

    for (int i = 0; i < n; ++i) EXPECT_NEAR(fitted[i], y[i], 1e-11) << n << " points, " << i;
  }
}

TEST(Loess, IgnoresTheOrderOfThePoints) {
  std::vector<double> x, y;
  for (int i = 0; i < 200; ++i) {
    x.push_back(std::fmod(i * 0.618034, 1.0));
    y.push_back(std::cos(9 * x.back()));
  }
  const std::vector<double> forward = loess(x, y);

  const std::vector<double> backward =
      loess(std::vector<double>(x.rbegin(), x.rend()), std::vector<double>(y.rbegin(), y.rend()));

  for (int i = 0; i < 200; ++i) EXPECT_EQ(forward[i], backward[199 - i]);
}

TEST(Loess, TakesMeansWhereFewDistinctXAreWithinReach) {
  std::vector<double> x, y;
  for (int i = 0; i < 100; ++i) {
    x.push_back(i < 50 ? 1 : 2);
    y.push_back(i < 50 ? 5 : 7);
  }

  const std::vector<double> fitted = loess(x, y);

  EXPECT_NEAR(fitted.front(), 5, 1e-12);
  EXPECT_NEAR(fitted.back(), 7, 0.01);  // interpolated over half a per cent of the range
}

TEST(Loess, TakesTheSmallestInputs) {
  EXPECT_TRUE(loess({}, {}).empty());
  const std::vector<double> x{3}, y{4};

  EXPECT_EQ(loess(x, y), y);
}

}  // namespace
}  // namespace stamarker::test
