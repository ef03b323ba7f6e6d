#pragma once
#include <cstdint>

#include "kernels/backend.hpp"
#include "kernels/cuda/runtime.hpp"

namespace stamarker {

/// Which rows matter when every spot attends to one source s(i), as kernels/cpu/sampled_rows.hpp
/// has it: the distinct sources J of own spots, ascending, and the distinct sources K of J. How
/// many there are is known to the device alone; there are at most n_own of either.
struct SampledRows {
  int n_own = 0, n_sources = 0;
  std::int32_t *n_decoded, *n_encoded;  // [1] |J|, |K|
  std::int64_t* decoded_start;          // [n_own + 1] into `own`
  std::int32_t* own;                    // [n_own] own spots by their source
  std::int32_t* decoded_of;             // [n_own] position of s(i) in J
  std::int32_t* decoded;                // [n_own] J
  std::int32_t* decoded_position;       // [n_sources] position in J, or -1
  std::int64_t* encoded_start;          // [n_own + 1] into `decoded_by_source`
  std::int32_t* encoded;                // [n_own] K
  std::int32_t* encoded_of;             // [n_own] position of s(j) in K
  std::int32_t* decoded_by_source;      // [n_own] positions in J by their source
  std::int32_t* encoded_position;       // [n_sources] position in K, or -1
  std::int64_t* prefix;                 // [n_sources + 1] workspace

  /// Cuts the arrays out of bytes_of(n_own, n_sources) bytes, aligned for int64.
  static std::size_t bytes_of(int n_own, int n_sources);
  static SampledRows in(void* memory, int n_own, int n_sources);
};

/// Fills all lists from a graph with one source a row. Own spots are its first n_own rows.
void find_sampled_rows(Stream stream, const GraphView& graph, const SampledRows& sampled);

/// sum [n + 1]: exclusive prefix sums of `count` [n] and the total. May be in place.
void prefix_sums(Stream stream, int n, const std::int64_t* count, std::int64_t* sum);

}  // namespace stamarker
