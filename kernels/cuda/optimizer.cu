#include <algorithm>
#include <cstdint>

#include "kernels/cuda/cuda_backend.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/packs.hpp"

namespace stamarker {
namespace {

/// x^n by squaring, in double.
__device__ double power(double x, int n) {
  double result = 1;
  for (; n > 0; n /= 2, x *= x)
    if (n % 2 == 1) result *= x;
  return result;
}

/// What all weights share in one step.
struct Factors {
  float rate;               // learning rate times the first moment's correction
  float second_correction;  // 1 / (1 - b2^t)
  float clip;
};
constexpr int n_factors = 3;

__device__ Factors factors_of(const AdamOptions& options, int epoch, double squared_norm) {
  const double rate =
      options.learning_rate * power(static_cast<double>(options.gamma), epoch / options.step_size);
  Factors factors{};
  factors.rate = static_cast<float>(rate) * static_cast<float>(1 / (1 - power(0.9, epoch + 1)));
  factors.second_correction = static_cast<float>(1 / (1 - power(0.999, epoch + 1)));
  const double clip = options.clip_norm / (sqrt(squared_norm) + 1e-6);
  factors.clip = options.clip_norm > 0 && clip < 1 ? static_cast<float>(clip) : 1.0f;
  return factors;
}

/// One part's update of one pack of weights.
template <int pack>
__device__ void update(const Factors& factors, float decay, const float* gradient, float* first,
                       float* second, Pack<pack>& weight) {
  constexpr float b1 = 0.9f, b2 = 0.999f, epsilon = 1e-8f;
  const Pack<pack> of_gradient = load_pack<pack>(gradient);
  Pack<pack> m = load_pack<pack>(first), v = load_pack<pack>(second);
#pragma unroll
  for (int k = 0; k < pack; ++k) {
    const float g = factors.clip * of_gradient.value[k] + decay * weight.value[k];
    m.value[k] = b1 * m.value[k] + (1 - b1) * g;
    v.value[k] = b2 * v.value[k] + (1 - b2) * g * g;
    weight.value[k] -=
        factors.rate * m.value[k] / (sqrtf(v.value[k] * factors.second_correction) + epsilon);
  }
  store_pack<pack>(m, first);
  store_pack<pack>(v, second);
}

template <int pack>
__global__ void adam_kernel(AdamOptions options, const std::int32_t* epoch,
                            const double* squared_norm, std::int64_t n, std::int64_t n_second,
                            const float* gradient, float* moments, float* weights) {
  BlockMemory memory;
  const Shared<float> shared = memory.take<float>(n_factors);
  if (threadIdx.x == 0) {
    const Factors factors = factors_of(options, epoch[0], squared_norm[0]);
    shared[0] = factors.rate;
    shared[1] = factors.second_correction;
    shared[2] = factors.clip;
  }
  __syncthreads();
  const Factors factors{shared[0], shared[1], shared[2]};
  float *first = moments, *second = moments + n + n_second;
  const std::int64_t step = std::int64_t{gridDim.x} * threads_per_block * pack;
  for (std::int64_t k = (std::int64_t{blockIdx.x} * threads_per_block + threadIdx.x) * pack; k < n;
       k += step) {
    Pack<pack> weight = load_pack<pack>(weights + k);
    update<pack>(factors, options.weight_decay, gradient + k, first + k, second + k, weight);
    if (k < n_second)
      update<pack>(factors, options.weight_decay, gradient + n + k, first + n + k, second + n + k,
                   weight);
    store_pack<pack>(weight, weights + k);
  }
}

/// to += from.
template <class T>
__global__ void add_kernel(std::int64_t n, const T* from, T* to) {
  const std::int64_t step = std::int64_t{gridDim.x} * threads_per_block;
  for (std::int64_t k = std::int64_t{blockIdx.x} * threads_per_block + threadIdx.x; k < n;
       k += step)
    to[k] += from[k];
}

/// One warp.
__global__ void finish_epoch_kernel(int n, const double* sums, double* history,
                                    std::int32_t* epoch) {
  const std::int32_t row = epoch[0];
  __syncwarp();  // all lanes have read it
  for (int k = lane(); k < n; k += warp_size) history[std::int64_t{n} * row + k] = sums[k];
  if (lane() == 0) epoch[0] = row + 1;
}

constexpr int most_blocks = 2048;  // of loops over all values: enough to fill a device

template <class T>
void add_values(Stream stream, DeviceSpan<const T> from, DeviceSpan<T> to) {
  const auto n = static_cast<std::int64_t>(from.size);
  launch(stream,
         {.n_blocks = std::min(most_blocks, blocks_for(n, threads_per_block)),
          .n_threads = threads_per_block},
         add_kernel<T>, n, from.data, to.data);
}

}  // namespace

void CudaBackend::add(DeviceSpan<const float> from, DeviceSpan<float> to) {
  add_values(stream(), from, to);
}
void CudaBackend::add(DeviceSpan<const double> from, DeviceSpan<double> to) {
  add_values(stream(), from, to);
}

void CudaBackend::adam(const AdamOptions& options, DeviceSpan<const std::int32_t> epoch,
                       DeviceSpan<float> weights, std::size_t n_second,
                       DeviceSpan<const float> gradient, DeviceSpan<float> moments,
                       DeviceSpan<const double> squared_norm) {
  const auto n = static_cast<std::int64_t>(weights.size);
  const auto of_second = static_cast<std::int64_t>(n_second);
  const std::int64_t width = n % 4 == 0 ? of_second : 1;  // both parts by packs, or none
  with_packs(width, {weights.data, gradient.data, moments.data}, [&](auto pack) {
    launch(stream(),
           {.n_blocks = std::min(most_blocks, blocks_for(n, threads_per_block * pack())),
            .n_threads = threads_per_block,
            .shared_bytes = shared_bytes<float>(n_factors)},
           adam_kernel<pack()>, options, epoch.data, squared_norm.data, n, of_second, gradient.data,
           moments.data, weights.data);
  });
}

void CudaBackend::finish_epoch(DeviceSpan<const double> sums, DeviceMatrix<double> history,
                               DeviceSpan<std::int32_t> epoch) {
  launch(stream(), {.n_threads = warp_size}, finish_epoch_kernel, history.n_cols, sums.data,
         history.data, epoch.data);
}

}  // namespace stamarker
