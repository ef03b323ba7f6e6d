#pragma once
#include "kernels/cuda/block_memory.hpp"
#include "kernels/cuda/device.hpp"

/// Sums and maxima over the lanes of a warp and the threads of a block, always in the same order.
namespace stamarker {

inline constexpr int warp_size = 32;
inline constexpr unsigned all_lanes = 0xffffffffu;

/// The sum over the lanes, on every lane. All 32 lanes call it.
template <class T>
__device__ T warp_sum(T value) {
  for (int lanes = warp_size / 2; lanes > 0; lanes /= 2)
    value += __shfl_xor_sync(all_lanes, value, lanes);
  return value;
}

/// The largest value of the lanes, on every lane. All 32 lanes call it.
template <class T>
__device__ T warp_max(T value) {
  for (int lanes = warp_size / 2; lanes > 0; lanes /= 2) {
    const T other = __shfl_xor_sync(all_lanes, value, lanes);
    value = other > value ? other : value;
  }
  return value;
}

/// The sum over the threads of a block, on every thread. All of them call it; `workspace` has an
/// element for each warp and may be used again behind the block's next barrier.
template <class T>
__device__ T block_sum(T value, const Shared<T>& workspace) {
  const int n_warps = static_cast<int>(blockDim.x) / warp_size;
  const T of_warp = warp_sum(value);
  if (threadIdx.x % warp_size == 0) workspace[threadIdx.x / warp_size] = of_warp;
  __syncthreads();
  T total = 0;
  for (int w = 0; w < n_warps; ++w) total += workspace[w];
  return total;
}

}  // namespace stamarker
