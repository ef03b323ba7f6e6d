#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/functions.hpp"

namespace stamarker::test {

TEST(Functions, FastExpIsWithinTwoUlp) {
  for (double x = -87; x <= 88; x += 0.00917) {
    const float at = static_cast<float>(x);
    const double expected = std::exp(static_cast<double>(at));
    EXPECT_NEAR(fast_exp(at), expected, 2.4e-7 * expected) << at;  // 2 ulp: 2 x 1.19e-7
  }
}

TEST(Functions, FastExpIsFiniteBeyondItsRange) {
  EXPECT_GT(fast_exp(-1e4f), 0);
  EXPECT_LT(fast_exp(-1e4f), 1e-37f);
  EXPECT_TRUE(std::isfinite(fast_exp(1e4f)));
  EXPECT_EQ(fast_exp(0), 1);
}

TEST(Functions, EluAndItsSlopeAgreeWithTheirDefinition) {
  for (const float x : {-30.0f, -2.0f, -1e-3f, 0.0f, 1e-3f, 2.0f}) {
    const double value = x > 0 ? x : std::expm1(static_cast<double>(x));
    const double slope = x > 0 ? 1 : std::exp(static_cast<double>(x));
    EXPECT_NEAR(elu(x), value, 2.4e-7);
    EXPECT_NEAR(elu_slope(elu(x)), slope, 2.4e-7);
  }
}

TEST(Functions, EluHasItsLimitsAndPassesOnWhatIsNoNumber) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(elu(-infinity), -1);
  EXPECT_EQ(elu(-200.0f), -1);
  EXPECT_EQ(elu(infinity), infinity);
  EXPECT_TRUE(std::isnan(elu(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(fast_exp(std::numeric_limits<float>::quiet_NaN())));
}

TEST(Functions, AttentionSlopeIsTheSlopeOfTheScore) {
  for (const Attention f : {Attention::leaky_relu, Attention::sigmoid}) {
    for (const float x : {-3.0f, -0.4f, 0.7f, 5.0f}) {
      const double h = 1e-2;
      const double slope = (attention_score(f, static_cast<float>(x + h)) -
                            attention_score(f, static_cast<float>(x - h))) /
                           (2 * h);
      EXPECT_NEAR(attention_slope(f, x), slope, 1e-4) << x;  // h^2 / 6 of a third derivative < 0.2
    }
  }
}

}  // namespace stamarker::test
