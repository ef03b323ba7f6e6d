#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/device.hpp"
#ifndef __CUDACC__
#include "cuda_emulation/shared.hpp"
#endif

namespace stamarker {

/// Bytes that take<T>(n) uses; the sum over a kernel's pieces is its Launch::shared_bytes.
template <class T>
constexpr std::size_t shared_bytes(std::size_t n) {
  return (n * sizeof(T) + 15) / 16 * 16;
}

#ifdef __CUDACC__

/// A piece of the block's shared memory. Under emulation its elements are checked
/// (tests/cuda_emulation/shared.hpp), for which kernels write `const T x = piece[i]` and `piece[i]
/// = x`, never `auto` or `T&`.
template <class T>
class Shared {
 public:
  __device__ Shared(T* data, int size) : data_(data), size_(size) {}
  __device__ T& operator[](int i) const { return data_[i]; }
  __device__ int size() const { return size_; }
  /// Elements first .. first + n - 1.
  __device__ Shared part(int first, int n) const { return {data_ + first, n}; }
  /// The same memory as elements of another type (float4 for 16-byte accesses). Aligned for it.
  template <class U>
  __device__ Shared<U> as() const {
    return {reinterpret_cast<U*>(data_), static_cast<int>(size_ * sizeof(T) / sizeof(U))};
  }
  /// Adds without a race; returns the value before. Integers only: sums of floats keep an order.
  __device__ T atomic_add(int i, T value) const { return atomicAdd(data_ + i, value); }

 private:
  T* data_;
  int size_;
};

/// The block's shared memory, cut into arrays. All threads take the same pieces in the same order.
/// Contents are undefined before they are written.
class BlockMemory {
 public:
  template <class T>
  __device__ Shared<T> take(int n) {
    static_assert(sizeof(T) % 4 == 0, "the race checker counts in words of 4 bytes");
    extern __shared__ __align__(16) unsigned char block_memory[];
    T* data = reinterpret_cast<T*>(block_memory + used_);
    used_ += shared_bytes<T>(n);
    return {data, n};
  }

 private:
  std::size_t used_ = 0;
};

#else

template <class T>
using Shared = cuda_emulation::Shared<T>;

class BlockMemory {
 public:
  template <class T>
  Shared<T> take(int n) {
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
    const cuda_emulation::Piece piece = cuda_emulation::take_shared(used_, bytes, n_pieces_++);
    used_ += shared_bytes<T>(n);
    return {piece, 0, n};
  }

 private:
  std::size_t used_ = 0;
  int n_pieces_ = 0;
};

#endif

}  // namespace stamarker
