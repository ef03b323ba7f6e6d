#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.hpp"
#include "base/random.hpp"
#include "kernels/kernel_test.hpp"
#include "support/message_of.hpp"

/// What only backends with memory of their own have.
namespace stamarker::test {
namespace {

TEST(Devices, HoldAGpuWhereOneIsRequired) {
  const bool is_required = std::getenv("STM_REQUIRE_CUDA") != nullptr;

  EXPECT_TRUE(!is_required || std::ranges::count(available_devices(), Device::cuda) == 1)
      << why_missing(Device::cuda);
}

TEST(Devices, SayWhatToDoWhereTheyAreMissing) {
  EXPECT_EQ(why_missing(Device::cpu), "");
  if (!why_missing(Device::cuda).empty()) {
    EXPECT_THAT(why_missing(Device::cuda), ::testing::HasSubstr("use cpu"));
    EXPECT_THROW(make_backend(Device::cuda), InputError);
  }
}

std::vector<Device> gpus() {
  std::vector<Device> devices = available_devices();
  std::erase(devices, Device::cpu);
  return devices;
}

class Gpu : public KernelTest {};

TEST_P(Gpu, SaysWhatNeedsLessMemoryWhenThereIsNotEnough) {
  ASSERT_TRUE(backend->free_bytes().has_value());

  const std::string message = message_of([&] { backend->allocate(std::size_t{1} << 50); });

  EXPECT_THAT(message, ::testing::HasSubstr("compute.tiles"));
  EXPECT_THAT(message, ::testing::HasSubstr("1125899.9 GB"));
  EXPECT_NO_THROW(backend->allocate(1 << 20)) << "and goes on well after that";
}

TEST_P(Gpu, IsSharedByRanksBeyondTheNumberOfDevices) {
  EXPECT_NO_THROW(make_backend(GetParam(), {.local_rank = 17}));
}

std::vector<float> values(std::size_t n) {
  std::vector<float> sampled(n);
  for (std::size_t k = 0; k < n; ++k)
    sampled[k] = static_cast<float>(uniform_of(random_words({}, 0, k)[0]));
  return sampled;
}

/// The largest difference of c A P from its value in double, for a backend of that precision.
double error_of_product(Device device, Precision precision) {
  constexpr int n = 70;
  const auto backend = make_backend(device, {.precision = precision});
  const std::vector<float> a = values(n * n);
  const Buffer<float> left(*backend, std::span<const float>(a));
  Buffer<float> out(*backend, n * n);
  out.clear();

  backend->add_product(0.5F, left.matrix(n, n), left.matrix(n, n), out.matrix(n, n));

  const std::vector<float> got = out.to_host();
  double most = 0;
  for (int r = 0; r < n; ++r)
    for (int c = 0; c < n; ++c) {
      double sum = 0;
      for (int k = 0; k < n; ++k) sum += 0.5 * double(a[r * n + k]) * double(a[k * n + c]);
      most = std::max(most, std::abs(got[r * n + c] - sum));
    }
  return most;
}

// Factors of at most 1: rounded to 10 bits of mantissa each is off by 2^-11 of itself at most, and
// a sum of 70 products of two by 70 (2^-10 + 2^-22); errors of fp32 are 2^-24 in place of 2^-11.
TEST_P(Gpu, RoundsFactorsToTf32OnlyWhenAsked) {
  const double fp32 = error_of_product(GetParam(), Precision::fp32);
  const double tf32 = error_of_product(GetParam(), Precision::tf32);

  EXPECT_LE(fp32, sum_tolerance(70, 0.5));
  EXPECT_LE(tf32, 0.5 * 70 * 0x1.01p-10);
  EXPECT_GT(tf32, 10 * fp32);
}

TEST_P(Gpu, FillsBothTrianglesOfAGramProductBeyondOneTile) {
  constexpr int n = 70, n_terms = 41;
  const std::vector<float> a = values(n_terms * n);
  const Buffer<float> factor(*backend, std::span<const float>(a));
  Buffer<float> out(*backend, n * n);

  backend->gram(factor.matrix(n_terms, n), out.matrix(n, n));

  const std::vector<float> got = out.to_host();
  for (int r = 0; r < n; ++r)
    for (int c = 0; c < n; ++c) {
      double sum = 0;
      for (int k = 0; k < n_terms; ++k) sum += double(a[k * n + r]) * double(a[k * n + c]);
      ASSERT_NEAR(got[r * n + c], sum, sum_tolerance(n_terms, 1)) << r << ", " << c;
      ASSERT_EQ(got[r * n + c], got[c * n + r]);
    }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Gpu);
INSTANTIATE_TEST_SUITE_P(On, Gpu, ::testing::ValuesIn(gpus()), device_name);

}  // namespace
}  // namespace stamarker::test
