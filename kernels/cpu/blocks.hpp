#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

/// Work in blocks of fixed size: how it is cut depends on the size of the problem alone, so sums
/// of blocks added in block order are bitwise identical on any number of threads.
namespace stamarker {

inline constexpr int rows_per_block = 256;
/// Where several N x H arrays are worked on in turn: three blocks of 128 KB, and the rows they
/// gather from, fit L2.
inline constexpr int rows_in_cache = 64;
/// Where a product with all of these rows follows: 8 MB, which it finds in the LLC.
inline constexpr int rows_in_turn = 4096;

/// body(begin, end) for all blocks of 0 .. n - 1, in parallel.
template <class Body>
void for_row_blocks(int n, const Body& body, int block = rows_per_block) {
  const int n_blocks = (n + block - 1) / block;
#pragma omp parallel for schedule(dynamic)
  for (int b = 0; b < n_blocks; ++b) body(b * block, std::min(n, (b + 1) * block));
}

/// The sum of body(begin, end) over all blocks of 0 .. n - 1.
template <class Body>
double sum_over_blocks(std::size_t n, std::size_t block, const Body& body) {
  const auto n_blocks = static_cast<std::ptrdiff_t>((n + block - 1) / block);
  std::vector<double> part(static_cast<std::size_t>(n_blocks));
#pragma omp parallel for schedule(dynamic)
  for (std::ptrdiff_t b = 0; b < n_blocks; ++b)
    part[b] = body(b * block, std::min(n, (b + 1) * block));
  double total = 0;
  for (const double p : part) total += p;
  return total;
}

}  // namespace stamarker
