#pragma once
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda_emulation/emulator.hpp"

/// CUDA's keywords and intrinsics for kernels that are compiled for the host. Only these are
/// macros, because CUDA's are keywords.
// NOLINTBEGIN(bugprone-reserved-identifier)
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)

inline thread_local uint3 threadIdx, blockIdx;
inline thread_local dim3 blockDim, gridDim;

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

namespace stamarker::cuda_emulation {

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// The value of lane `from` of this lane's group of `width` lanes; this lane's own where there is
/// no such lane.
template <class T>
T shuffle(unsigned mask, T value, int from, int width, Site where) {
  const int group = static_cast<int>(threadIdx.x % 32) / width * width;
  const bool is_there = from >= group && from < group + width;
  const int lane = is_there ? from : static_cast<int>(threadIdx.x % 32);
  return from_bits<T>(exchange(mask, to_bits(value), lane, where));
}

}  // namespace stamarker::cuda_emulation

/// Barriers. All threads of a block meet at the same one, all lanes of a mask likewise.
inline void __syncthreads(stamarker::Site where = stamarker::Site::current()) {
  stamarker::cuda_emulation::wait_for_block(where);
}
inline void __syncwarp(unsigned mask = 0xffffffffu,
                       stamarker::Site where = stamarker::Site::current()) {
  stamarker::cuda_emulation::wait_for_warp(mask, where);
}

/// Shuffles and votes.
template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32,
              stamarker::Site where = stamarker::Site::current()) {
  const int mine = static_cast<int>(threadIdx.x % 32);
  return stamarker::cuda_emulation::shuffle(mask, value, mine / width * width + lane % width, width,
                                            where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                  stamarker::Site where = stamarker::Site::current()) {
  return stamarker::cuda_emulation::shuffle(mask, value, static_cast<int>(threadIdx.x % 32) ^ lanes,
                                            width, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32,
                 stamarker::Site where = stamarker::Site::current()) {
  return stamarker::cuda_emulation::shuffle(
      mask, value, static_cast<int>(threadIdx.x % 32) - static_cast<int>(by), width, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32,
                   stamarker::Site where = stamarker::Site::current()) {
  return stamarker::cuda_emulation::shuffle(
      mask, value, static_cast<int>(threadIdx.x % 32) + static_cast<int>(by), width, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              stamarker::Site where = stamarker::Site::current()) {
  return stamarker::cuda_emulation::ballot(mask, predicate != 0, where);
}
inline int __any_sync(unsigned mask, int predicate,
                      stamarker::Site where = stamarker::Site::current()) {
  return stamarker::cuda_emulation::ballot(mask, predicate != 0, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate,
                      stamarker::Site where = stamarker::Site::current()) {
  return stamarker::cuda_emulation::ballot(mask, predicate != 0, where) == mask;
}

/// Atomics on integers in device memory: their result does not depend on the order. Those on
/// shared memory are members of Shared.
template <class T>
requires std::is_integral_v<T> T atomicAdd(T* at, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*at).fetch_add(value);
}
template <class T>
requires std::is_integral_v<T> T atomicMax(T* at, std::type_identity_t<T> value) {
  const T before = *at;
  if (value > before) *at = value;
  return before;
}
template <class T>
requires std::is_integral_v<T> T atomicMin(T* at, std::type_identity_t<T> value) {
  const T before = *at;
  if (value < before) *at = value;
  return before;
}

/// Functions of one thread.
inline void __threadfence() {}
template <class T>
T __ldg(const T* at) {
  return *at;
}
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline int __ffs(int bits) {
  return bits == 0 ? 0 : std::countr_zero(static_cast<unsigned>(bits)) + 1;
}
inline int __clz(int bits) { return std::countl_zero(static_cast<unsigned>(bits)); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __int_as_float(int bits) { return std::bit_cast<float>(bits); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
// NOLINTEND(bugprone-reserved-identifier)
