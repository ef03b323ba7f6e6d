#include "kernels/cuda/sparse_products.hpp"

#include <vector>

namespace stamarker {

struct SparseProducts::Library {};

SparseProducts::SparseProducts(Queue) : library_(std::make_unique<Library>()) {}
SparseProducts::~SparseProducts() = default;

void SparseProducts::multiply(const LibraryRows& a, ConstMatrix b, float factor, float keep,
                              Matrix out, const Scratch&) {
  std::vector<float> sum(static_cast<std::size_t>(b.n_cols));
  for (int i = 0; i < a.n_rows; ++i) {
    sum.assign(sum.size(), 0);
    for (std::int32_t e = a.row_start[i]; e < a.row_start[i + 1]; ++e) {
      const float* row = b.data + static_cast<std::size_t>(a.column[e]) * sum.size();
      for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += a.value[e] * row[c];
    }
    float* to = out.data + static_cast<std::size_t>(i) * sum.size();
    for (std::size_t c = 0; c < sum.size(); ++c)
      to[c] = factor * sum[c] + (keep == 0 ? 0 : keep * to[c]);
  }
}

}  // namespace stamarker
