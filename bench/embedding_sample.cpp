#include "embedding_sample.hpp"

#include <cmath>

#include "base/random.hpp"

namespace stamarker::bench {

std::vector<float> embedding_sample(int n_points, int n_dims, int n_groups, std::uint32_t seed) {
  const RandomKey key{seed, 0, Purpose::simulation};
  const auto normal = [&](std::uint32_t step, std::uint64_t index) {
    return random_normal(key, step, index);
  };
  std::vector<float> points(static_cast<std::size_t>(n_points) * n_dims);
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n_points; ++i) {
    const auto words = random_words(key, 2, static_cast<std::uint64_t>(i));
    const double u = uniform_of(words[0]);
    const auto group = static_cast<int>(n_groups * u * std::sqrt(u));  // early groups are larger
    const double width = words[1] % 10 == 0 ? 2 : 1;
    std::vector<double> source(n_dims);
    for (int d = 0; d < n_dims; ++d) {
      const std::uint64_t at = static_cast<std::uint64_t>(i) * n_dims + d;
      const double center = normal(0, static_cast<std::uint64_t>(group) * n_dims + d);
      source[d] = (1.2 * center + width * normal(1, at)) / std::sqrt(1.0 + d);
    }
    float* point = points.data() + static_cast<std::size_t>(i) * n_dims;
    for (int d = 0; d < n_dims; ++d)
      point[d] = static_cast<float>(source[d] + 0.5 * source[(d + 1) % n_dims]);
  }
  return points;
}

}  // namespace stamarker::bench
