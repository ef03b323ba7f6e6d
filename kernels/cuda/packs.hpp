#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "kernels/cuda/device.hpp"
#include "kernels/cuda/warp.hpp"

/// Rows of dense matrices in the registers of a warp, read and written by 16 bytes a lane where
/// width and addresses allow it.
namespace stamarker {

/// What one access moves.
template <int n>
struct alignas(n * sizeof(float)) Pack {
  float value[n];
};

template <int n>
__device__ Pack<n> load_pack(const float* from) {
  return *reinterpret_cast<const Pack<n>*>(from);
}
template <int n>
__device__ void store_pack(const Pack<n>& pack, float* to) {
  *reinterpret_cast<Pack<n>*>(to) = pack;
}

/// body(std::integral_constant<int, n>) with n = 4 where rows of `width` floats from these
/// addresses can be read by packs of four, else 1.
template <class Body>
void with_packs(std::int64_t width, std::initializer_list<const float*> rows, const Body& body) {
  const bool fits = width % 4 == 0 && std::all_of(rows.begin(), rows.end(), [](const float* p) {
                      return reinterpret_cast<std::uintptr_t>(p) % sizeof(Pack<4>) == 0;
                    });
  if (fits)
    body(std::integral_constant<int, 4>{});
  else
    body(std::integral_constant<int, 1>{});
}

/// A warp's part of a row: `columns` columns from a first one on, neighbouring lanes side by side.
/// Columns beyond the row's width are zero and are not written.
template <int pack>
struct RowPart {
  static constexpr int n_packs = 4;  // of a lane
  static constexpr int columns = n_packs * pack * warp_size;

  Pack<pack> part[n_packs];

  /// The column of this lane's pack k.
  __device__ static int column(int first, int k) {
    return first + (k * warp_size + static_cast<int>(threadIdx.x) % warp_size) * pack;
  }
  __device__ static RowPart zero() {
    RowPart row;
    row.for_each([](float& v, int, int) { v = 0; });
    return row;
  }
  __device__ static RowPart load(const float* from, int first, int width) {
    RowPart row;
#pragma unroll
    for (int k = 0; k < n_packs; ++k) {
      const int c = column(first, k);
      if (c < width) {
        row.part[k] = load_pack<pack>(from + c);
      } else {
#pragma unroll
        for (int v = 0; v < pack; ++v) row.part[k].value[v] = 0;
      }
    }
    return row;
  }
  __device__ void store(float* to, int first, int width) const {
#pragma unroll
    for (int k = 0; k < n_packs; ++k) {
      const int c = column(first, k);
      if (c < width) store_pack<pack>(part[k], to + c);
    }
  }
  /// f(value, k, v) for each value of this lane.
  template <class F>
  __device__ void for_each(const F& f) {
#pragma unroll
    for (int k = 0; k < n_packs; ++k)
#pragma unroll
      for (int v = 0; v < pack; ++v) f(part[k].value[v], k, v);
  }
  __device__ void add(float weight, const RowPart& row) {
    for_each([&](float& sum, int k, int v) { sum += weight * row.part[k].value[v]; });
  }
  /// This lane's share of the inner product.
  __device__ float dot(const RowPart& row) const {
    float total = 0;
#pragma unroll
    for (int k = 0; k < n_packs; ++k)
#pragma unroll
      for (int v = 0; v < pack; ++v) total += part[k].value[v] * row.part[k].value[v];
    return total;
  }
};

/// The row that this warp works on when each warp of a launch has one.
inline __device__ int row_of_warp() {
  return static_cast<int>((blockIdx.x * blockDim.x + threadIdx.x) / warp_size);
}
inline __device__ int lane() { return static_cast<int>(threadIdx.x) % warp_size; }

inline constexpr int warps_per_block = 8;
inline constexpr int threads_per_block = warps_per_block * warp_size;

/// Blocks of `per_block` that cover n.
constexpr int blocks_for(std::int64_t n, std::int64_t per_block) {
  return static_cast<int>((n + per_block - 1) / per_block);
}

}  // namespace stamarker
