#include "kernels/cuda/spmm_library.hpp"

#include <vector>

namespace stamarker {

struct SpmmLibrary::Library {};

SpmmLibrary::SpmmLibrary(Stream) : library_(std::make_unique<Library>()) {}
SpmmLibrary::~SpmmLibrary() = default;

void SpmmLibrary::multiply(const CsrIndex32& a, ConstMatrix b, float factor, float keep, Matrix out,
                           const Workspace&) {
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
