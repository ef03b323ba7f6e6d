#pragma once
#include <gtest/gtest.h>
#include <omp.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "support/message_of.hpp"

namespace stamarker::test {

/// Where any key of a clustering would do.
inline constexpr RandomKey key{0, 0, Purpose::clustering};

/// Standard normal numbers of a fixed sequence, [n_rows, n_columns].
inline std::vector<float> normal(std::size_t n_rows, std::size_t n_columns, std::uint32_t seed) {
  std::vector<float> x(n_rows * n_columns);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(random_normal({seed, 0, Purpose::simulation}, 0, i));
  return x;
}

/// Points around the corners e_0, e_1 .. of a box, `apart` from the origin, with sd 1; point i
/// belongs to corner i % n_groups.
inline std::vector<float> points_around_corners(int n_points, int n_dims, int n_groups, float apart,
                                                std::uint32_t seed) {
  std::vector<float> x = normal(n_points, n_dims, seed);
  for (int i = 0; i < n_points; ++i)
    x[static_cast<std::size_t>(i) * n_dims + i % n_groups] += apart;
  return x;
}

inline std::vector<std::int32_t> corner_of_points(int n_points, int n_groups) {
  std::vector<std::int32_t> corner(static_cast<std::size_t>(n_points));
  for (int i = 0; i < n_points; ++i) corner[i] = i % n_groups;
  return corner;
}

/// A permutation of 0 .. n - 1.
inline std::vector<std::int32_t> permutation(int n, std::uint32_t seed) {
  RandomSequence random({seed, 1, Purpose::simulation}, 0);
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int i = n - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  return order;
}

/// rows[order[0]], rows[order[1]] .. of [order.size(), n_columns].
template <class T>
std::vector<T> rows_in_order(const std::vector<T>& rows, const std::vector<std::int32_t>& order) {
  const std::size_t n_columns = rows.size() / order.size();
  std::vector<T> result;
  for (const std::int32_t i : order)
    result.insert(result.end(), rows.begin() + static_cast<std::ptrdiff_t>(i * n_columns),
                  rows.begin() + static_cast<std::ptrdiff_t>((i + 1) * n_columns));
  return result;
}

/// The result of work() with a number of threads, which is put back afterwards.
template <class Work>
auto on_threads(int n_threads, Work work) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(n_threads);
  auto result = work();
  omp_set_num_threads(before);
  return result;
}

}  // namespace stamarker::test
