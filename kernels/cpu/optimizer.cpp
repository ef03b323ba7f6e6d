#include "kernels/cpu/optimizer.hpp"

#include <cmath>

#include "base/error.hpp"
#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"

namespace stamarker {
namespace {

constexpr std::size_t values_per_block = std::size_t{1} << 14;

template <class T>
void add_to(DeviceSpan<const T> from, DeviceSpan<T> to) {
  expects(from.size == to.size, "as many values as they are added to");
#pragma omp parallel for schedule(static)
  for (std::size_t k = 0; k < to.size; ++k) to.data[k] += from.data[k];
}

}  // namespace

rows::Adam adam_step(int t, float rate, float weight_decay) {
  return {rate, weight_decay, 1, static_cast<float>(1 / (1 - std::pow(0.9, t))),
          static_cast<float>(1 / (1 - std::pow(0.999, t)))};
}

void apply_adam(const rows::Adam& step, DeviceSpan<float> weights, std::size_t n_second,
                DeviceSpan<const float> gradient, DeviceSpan<float> moments) {
  const std::size_t n = weights.size;
  float *first = moments.data, *second = moments.data + n + n_second;
  const auto n_blocks = static_cast<std::ptrdiff_t>((n + values_per_block - 1) / values_per_block);
#pragma omp parallel for schedule(static)
  for (std::ptrdiff_t b = 0; b < n_blocks; ++b) {
    const std::size_t begin = b * values_per_block, end = std::min(n, begin + values_per_block);
    rows::adam(end - begin, step, gradient.data + begin, first + begin, second + begin,
               weights.data + begin);
    if (begin >= n_second) continue;
    const std::size_t m = std::min(end, n_second) - begin, at = n + begin;
    rows::adam(m, step, gradient.data + at, first + at, second + at, weights.data + begin);
  }
}

void CpuBackend::add(DeviceSpan<const float> from, DeviceSpan<float> to) { add_to(from, to); }
void CpuBackend::add(DeviceSpan<const double> from, DeviceSpan<double> to) { add_to(from, to); }

void CpuBackend::adam(const AdamOptions& options, DeviceSpan<const std::int32_t> epoch,
                      DeviceSpan<float> weights, std::size_t n_second,
                      DeviceSpan<const float> gradient, DeviceSpan<float> moments,
                      DeviceSpan<const double> squared_norm) {
  const int done = epoch.data[0];
  const double rate = options.learning_rate *
                      std::pow(static_cast<double>(options.gamma), done / options.step_size);
  rows::Adam step = adam_step(done + 1, static_cast<float>(rate), options.weight_decay);
  if (options.clip_norm > 0)
    step.clip = static_cast<float>(
        std::min(1.0, options.clip_norm / (std::sqrt(squared_norm.data[0]) + 1e-6)));
  apply_adam(step, weights, n_second, gradient, moments);
}

void CpuBackend::finish_epoch(DeviceSpan<const double> sums, DeviceMatrix<double> history,
                              DeviceSpan<std::int32_t> epoch) {
  expects(epoch.data[0] < history.n_rows && sums.size == static_cast<std::size_t>(history.n_cols),
          "a row of the history for every epoch");
  std::copy_n(sums.data, sums.size,
              history.data + static_cast<std::size_t>(epoch.data[0]) * history.n_cols);
  ++epoch.data[0];
}

}  // namespace stamarker
