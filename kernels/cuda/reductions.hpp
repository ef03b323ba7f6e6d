#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/packs.hpp"
#include "kernels/cuda/runtime.hpp"

/// Sums over whole arrays: each block of a kernel leaves its share, and one more kernel adds the
/// shares in a fixed order.
namespace stamarker {

inline constexpr int packs_per_thread = 4;
/// What a block of an elementwise kernel works on: a thread's packs lie a block's width apart.
template <int pack>
inline constexpr std::int64_t values_per_block =
    std::int64_t{threads_per_block} * packs_per_thread* pack;

enum class Sum { overwrite, add };
/// out [1] (+)= the sum of partial [n].
void sum_partials(Stream stream, int n, const double* partial, Sum sum, double* out);

/// out_c += sum over rows of partial [n_rows, pitch], in double, for the first n_columns columns.
void add_column_sums(Stream stream, int n_rows, int pitch, int n_columns, const float* partial,
                     float* out);

}  // namespace stamarker
