#pragma once
#include <cstdint>
#include <vector>

namespace stamarker::bench {

/// Points like a model's embedding, [n_points, n_dims]: n_groups overlapping groups of unequal
/// size, dimensions correlated and of decreasing spread, one point in ten from a wider
/// distribution.
std::vector<float> embedding_sample(int n_points, int n_dims, int n_groups, std::uint32_t seed);

}  // namespace stamarker::bench
