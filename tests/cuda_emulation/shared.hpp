#pragma once
#include <cstring>
#include <type_traits>
#include <utility>

#include "cuda_emulation/emulator.hpp"

namespace stamarker::cuda_emulation {

/// An element of shared memory that knows whether it is read or written. Kernels cannot keep it:
/// everything it does needs a temporary, so `auto x = piece[i]` does not compile further on.
template <class T>
class Element {
 public:
  Element(const Piece& piece, std::size_t first) : piece_(piece), first_(first) {}
  Element(const Element&) = delete;

  operator T() && {  // NOLINT(google-explicit-constructor): stands for a T
    note_access(piece_, first_, sizeof(T), Access::read);
    return load();
  }
  void operator=(T value) && {  // NOLINT(misc-unconventional-assign-operator)
    note_access(piece_, first_, sizeof(T), Access::write);
    store(value);
  }
  void operator=(Element&& other) && {  // NOLINT(misc-unconventional-assign-operator)
    std::move(*this) = static_cast<T>(std::move(other));
  }
  void operator+=(T value) && {
    std::move(*this).change(value, [](T a, T b) { return a + b; });
  }
  void operator-=(T value) && {
    std::move(*this).change(value, [](T a, T b) { return a - b; });
  }
  void operator*=(T value) && {
    std::move(*this).change(value, [](T a, T b) { return a * b; });
  }

  T atomic_add(T value) && {
    note_access(piece_, first_, sizeof(T), Access::atomic);
    const T before = load();
    store(before + value);
    return before;
  }

 private:
  template <class F>
  void change(T value, F&& how) && {
    note_access(piece_, first_, sizeof(T), Access::read);
    note_access(piece_, first_, sizeof(T), Access::write);
    store(how(load(), value));
  }
  T load() const {
    T value;
    std::memcpy(&value, piece_.data + (first_ - piece_.first), sizeof value);
    return value;
  }
  void store(T value) { std::memcpy(piece_.data + (first_ - piece_.first), &value, sizeof value); }

  const Piece& piece_;
  std::size_t first_;  // byte within the block's shared memory
};

/// As Shared under nvcc (block_memory.hpp), with every access checked.
template <class T>
class Shared {
 public:
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0);
  Shared(const Piece& piece, std::size_t offset, int size)
      : piece_(piece), offset_(offset), size_(size) {}

  Element<T> operator[](std::int64_t i) const {
    if (i < 0 || i >= size_) fault_out_of_bounds(piece_, i, static_cast<std::size_t>(size_));
    return {piece_, piece_.first + offset_ + static_cast<std::size_t>(i) * sizeof(T)};
  }
  int size() const { return size_; }
  Shared part(int first, int n) const {
    if (first < 0 || n < 0 || first + n > size_)
      fault_out_of_bounds(piece_, first + n, static_cast<std::size_t>(size_));
    return {piece_, offset_ + static_cast<std::size_t>(first) * sizeof(T), n};
  }
  template <class U>
  Shared<U> as() const {
    const std::size_t bytes = static_cast<std::size_t>(size_) * sizeof(T);
    if ((piece_.first + offset_) % alignof(U) != 0) fault_misaligned(piece_, offset_, alignof(U));
    return {piece_, offset_, static_cast<int>(bytes / sizeof(U))};
  }
  T atomic_add(int i, T value) const {
    static_assert(std::is_integral_v<T>, "sums of floats keep an order");
    return (*this)[i].atomic_add(value);
  }

 private:
  Piece piece_;
  std::size_t offset_;  // byte within the piece
  int size_;
};

}  // namespace stamarker::cuda_emulation
