#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <ostream>

#include "kernels/buffer.hpp"

namespace stamarker {
/// Names the device in ctest's list instead of dumping its bytes.
inline void PrintTo(Device device, std::ostream* out) {
  *out << (device == Device::cpu ? "cpu" : "cuda");
}
}  // namespace stamarker

namespace stamarker::test {

inline std::string device_name(const ::testing::TestParamInfo<Device>& info) {
  return info.param == Device::cpu ? "cpu" : "cuda";
}

/// Owns the backend under test: the same tests run on every device.
class KernelTest : public ::testing::TestWithParam<Device> {
 protected:
  std::unique_ptr<Backend> backend = make_backend(GetParam());

  /// A counter of epochs in backend memory.
  Buffer<std::int32_t> counter(std::int32_t epochs) {
    return {*backend, std::span<const std::int32_t>(&epochs, 1)};
  }
  std::vector<float> read(const float* data, std::size_t n) {
    std::vector<float> host(n);
    backend->synchronize();
    backend->download(data, host.data(), n * sizeof(float));
    return host;
  }
};

/// Rounding bound of a sum of n_terms terms of size `scale`: what a correct kernel cannot exceed.
inline double sum_tolerance(std::size_t n_terms, double scale) {
  return 4.0 * static_cast<double>(n_terms + 1) * std::numeric_limits<float>::epsilon() * scale;
}

inline void expect_near(const std::vector<float>& got, const std::vector<double>& expected,
                        double tolerance, const char* what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (std::size_t k = 0; k < got.size(); ++k)
    ASSERT_NEAR(got[k], expected[k], tolerance) << what << ", element " << k;
}

inline double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return most;
}

}  // namespace stamarker::test
