#pragma once
#include <span>
#include <type_traits>
#include <vector>

#include "kernels/backend.hpp"

namespace stamarker {

/// Owns n uninitialised elements on one backend, which must outlive it. Move-only.
template <class T>
class Buffer {
 public:
  Buffer(Backend& on, std::size_t n) : memory_(on.allocate(n * sizeof(T))), size_(n) {}
  Buffer(Backend& on, std::span<const T> host) : Buffer(on, host.size()) { assign(host); }

  void assign(std::span<const T> host) {  // at most size() values, from the first on
    memory_.get_deleter().owner->upload(host.data(), memory_.get(), host.size_bytes());
  }
  void clear() { memory_.get_deleter().owner->clear(memory_.get(), size_ * sizeof(T)); }
  std::vector<T> to_host() const { return to_host(0, size_); }
  /// n elements from `first` on; waits for the stream of the owner, then copies.
  std::vector<T> to_host(std::size_t first, std::size_t n) const {
    std::vector<T> host(n);
    Backend& on = *memory_.get_deleter().owner;
    on.synchronize();
    on.download(span().data + first, host.data(), n * sizeof(T));
    return host;
  }
  std::size_t size() const { return size_; }

  DeviceSpan<T> span() { return {static_cast<T*>(memory_.get()), size_}; }
  DeviceSpan<const T> span() const { return {static_cast<const T*>(memory_.get()), size_}; }
  /// The first rows * cols elements as a matrix.
  DeviceMatrix<T> matrix(int rows, int cols) { return {span().data, rows, cols}; }
  DeviceMatrix<const T> matrix(int rows, int cols) const { return {span().data, rows, cols}; }

 private:
  static_assert(std::is_trivially_copyable_v<T>);
  Backend::Memory memory_;
  std::size_t size_;
};

}  // namespace stamarker
