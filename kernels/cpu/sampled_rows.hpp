#pragma once
#include <cstdint>
#include <vector>

#include "kernels/backend.hpp"

namespace stamarker {

/// Which rows matter when every spot attends to one source s(i). H3_i = elu(q_s(i)) takes only the
/// values of the distinct sources J of own spots (about 63 % of them), and of those z_j =
/// elu(y_s(j)) W2 only the distinct sources K of J (about 40 %). Everything between is computed
/// once for each of them, weighted by how often it was sampled.
class SampledRows {
 public:
  /// graph: one source a row, see StepView; own spots are its first n_own rows.
  void assign(const GraphView& graph, int n_own);

  int n_decoded() const { return static_cast<int>(decoded.size()); }
  int n_encoded() const { return static_cast<int>(encoded.size()); }

  std::vector<std::int32_t> decoded;            // J, ascending spots
  std::vector<std::int64_t> decoded_start;      // [|J| + 1] into `own`
  std::vector<std::int32_t> own;                // own spots by their source
  std::vector<std::int32_t> decoded_of;         // [n_own] position of s(i) in J
  std::vector<std::int32_t> encoded;            // K, ascending spots
  std::vector<std::int32_t> encoded_of;         // [|J|] position of s(j) in K
  std::vector<std::int64_t> encoded_start;      // [|K| + 1] into `decoded_by_source`
  std::vector<std::int32_t> decoded_by_source;  // positions in J by their source
};

}  // namespace stamarker
