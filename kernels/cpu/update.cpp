#include <cmath>

#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {

void CpuBackend::adam(const AdamStep& step, DeviceSpan<float> weights, std::size_t n_second,
                      DeviceSpan<const float> gradient, DeviceSpan<float> moments,
                      DeviceSpan<const double> squared_norm) {
  rows::Adam row{step.learning_rate, step.weight_decay, 1, 1, 1};
  row.first_correction = static_cast<float>(1 / (1 - std::pow(0.9, step.step)));
  row.second_correction = static_cast<float>(1 / (1 - std::pow(0.999, step.step)));
  if (step.clip_norm > 0)
    row.clip = static_cast<float>(
        std::min(1.0, step.clip_norm / (std::sqrt(squared_norm.data[0]) + 1e-6)));
  const std::size_t n = weights.size;
  float *first = moments.data, *second = moments.data + n + n_second;
  constexpr std::size_t block = std::size_t{1} << 14;
  const auto n_blocks = static_cast<std::ptrdiff_t>((n + block - 1) / block);
#pragma omp parallel for schedule(static)
  for (std::ptrdiff_t b = 0; b < n_blocks; ++b) {
    const std::size_t begin = b * block, end = std::min(n, begin + block);
    rows::adam(end - begin, row, gradient.data + begin, first + begin, second + begin,
               weights.data + begin);
    if (begin >= n_second) continue;
    const std::size_t m = std::min(end, n_second) - begin, at = n + begin;
    rows::adam(m, row, gradient.data + at, first + at, second + at, weights.data + begin);
  }
}

}  // namespace stamarker
