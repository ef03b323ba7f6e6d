#pragma once
#include <cstddef>
#include <string>

namespace stamarker {

inline std::string gigabytes(std::size_t bytes) {
  const auto tenths = static_cast<unsigned long long>(static_cast<double>(bytes) * 1e-8 + 0.5);
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " GB";
}

/// What users read when `bytes` more do not fit into a device.
inline std::string out_of_memory_message(std::size_t bytes, std::size_t free, std::size_t total) {
  return "compute.device = cuda (the GPU has " + gigabytes(free) + " of its " + gigabytes(total) +
         " left, and " + gigabytes(bytes) +
         " more are needed; cut the section by a larger compute.tiles, put fewer ranks on one GPU, "
         "keep fewer genes by prepare.n_top_genes, or use compute.device: cpu)";
}

}  // namespace stamarker
