#include "kernels/cpu/sampled_rows.hpp"

namespace stamarker {

void SampledRows::assign(const GraphView& graph, int n_own) {
  decoded.clear(), own.clear(), encoded.clear(), decoded_by_source.clear();
  decoded_start.assign(1, 0);
  encoded_start.assign(1, 0);
  decoded_of.resize(static_cast<std::size_t>(n_own));
  for (int j = 0; j < graph.n_sources; ++j) {
    for (std::int64_t t = graph.target_start.data[j];
         t < graph.target_start.data[j + 1] && graph.target.data[t] < n_own; ++t) {
      decoded_of[graph.target.data[t]] = static_cast<std::int32_t>(decoded.size());
      own.push_back(graph.target.data[t]);
    }
    if (static_cast<std::int64_t>(own.size()) == decoded_start.back()) continue;
    decoded.push_back(j);
    decoded_start.push_back(static_cast<std::int64_t>(own.size()));
  }

  std::vector<std::int32_t> uses(static_cast<std::size_t>(graph.n_sources), 0);
  for (const std::int32_t j : decoded) ++uses[graph.source.data[j]];
  std::vector<std::int32_t> encoded_position(static_cast<std::size_t>(graph.n_sources), -1);
  for (int k = 0; k < graph.n_sources; ++k) {
    if (uses[k] == 0) continue;
    encoded_position[k] = static_cast<std::int32_t>(encoded.size());
    encoded.push_back(k);
    encoded_start.push_back(encoded_start.back() + uses[k]);
  }
  encoded_of.resize(decoded.size());
  decoded_by_source.resize(decoded.size());
  std::vector<std::int64_t> next(encoded_start.begin(), encoded_start.end() - 1);
  for (std::size_t p = 0; p < decoded.size(); ++p) {
    encoded_of[p] = encoded_position[graph.source.data[decoded[p]]];
    decoded_by_source[next[encoded_of[p]]++] = static_cast<std::int32_t>(p);
  }
}

}  // namespace stamarker
