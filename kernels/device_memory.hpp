#pragma once
#include <cmath>
#include <cstddef>
#include <string>

#include "base/error.hpp"

namespace stamarker {

inline std::string gigabytes(std::size_t bytes) {
  const long long tenths = std::llround(static_cast<double>(bytes) * 1e-8);
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " GB";
}

/// `wanted` bytes more did not fit into a device that has `free` of its `total` bytes left. The
/// message says what needs less; who knows what would fit says that in its place, by advising().
class OutOfDeviceMemory : public InputError {
 public:
  OutOfDeviceMemory(std::size_t wanted, std::size_t free, std::size_t total)
      : OutOfDeviceMemory(
            "compute.device = cuda (the GPU has " + gigabytes(free) + " of its " +
                gigabytes(total) + " left, and " + gigabytes(wanted) + " more are needed; ",
            "cut the section by a larger compute.tiles, put fewer ranks on one GPU, keep fewer "
            "genes by prepare.n_top_genes, or use compute.device: cpu") {}
  InputError advising(const std::string& advice) const { return OutOfDeviceMemory(state_, advice); }

 private:
  OutOfDeviceMemory(const std::string& state, const std::string& advice)
      : InputError(state + advice + ')'), state_(state) {}
  std::string state_;
};

}  // namespace stamarker
