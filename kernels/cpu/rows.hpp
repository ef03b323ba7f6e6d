#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/functions.hpp"

/// Loops over the rows of dense matrices, compiled for several instruction sets; the processor's
/// best one is chosen when the program starts. One thread each: who calls them cuts the work.
namespace stamarker::rows {

/// Lists of weighted rows: out row i combines in-rows index[e], e from start[i] to start[i + 1].
struct Lists {
  const std::int64_t* start;
  const std::int32_t* index;
  const float* weight;       // null: all weights are 1
  const std::int64_t* edge;  // null: entry e has weight[e]; else weight[edge[e]]
  std::int32_t limit;        // a list ends before its first index that is not below this
};
enum class Then { nothing, elu };

/// out_i = sum_e weight_e in_(index_e), then elu if asked, for rows first .. last - 1.
void combine(int first, int last, const Lists& lists, const float* in, int width, Then then,
             float* out);

/// out_e = <a_i, b_(index_e)> for the nonzeros of rows first .. last - 1; added to out_e if asked.
enum class Store { overwrite, add };
void edge_dots(int first, int last, const std::int64_t* start, const std::int32_t* index,
               const float* a, const float* b, int width, Store store, float* out);

/// <a, b> with products in float, lanes in float, their sum in double.
double dot(std::size_t n, const float* a, const float* b);

/// out_i = <in_i, a> for rows first .. last - 1.
void dots(int first, int last, const float* in, int width, const float* a, float* out);

/// d = scale (d - y) elu'(.) at h = elu(.); returns <y, h>.
double decoder_slope(std::size_t n, float scale, const float* y, const float* h, float* d);

/// h = g elu'(.) at h = elu(.).
void times_elu_slope(std::size_t n, const float* g, float* h);

/// h = elu(h).
void elu_in_place(std::size_t n, float* h);

/// x = exp(x), see fast_exp.
void exp_in_place(std::size_t n, float* x);

/// x = attention_score(f, x).
void attention_scores(std::size_t n, Attention f, float* x);

/// out = factor in.
void scale(std::size_t n, float factor, const float* in, float* out);

/// row_i += s a for rows first .. last - 1, with s = scalar[i].
void add_scaled(int first, int last, const float* scalar, const float* a, int width, float* out);

/// sum_k += sum_i scalar_i in_ik over rows first .. last - 1: few, for they are added in float.
void add_weighted_rows(int first, int last, const float* scalar, const float* in, int width,
                       double* sum);

/// Columns of a tile: 128 with AVX-512, else 64. The sums of a list stay in eight registers.
int tile_width();

/// out [n_rows, tile_width()] = columns first, first + 1 ... of rows index[0], index[1] ... of
/// in [., width] (null: 0, 1, ...), 0 beyond its width.
void pack_tile(int n_rows, const std::int32_t* index, const float* in, int width, int first,
               float* out);

/// The same of rows 0 .. n_rows - 1 of a - c b, both [., width].
void pack_difference(int n_rows, const float* a, float c, const float* b, int width, int first,
                     float* out);

/// The CSR rows of one block of columns, see column_blocked_csr.hpp: row i holds the nonzeros
/// start[i] .. start[i + 1] - 1.
struct BlockRows {
  const std::int64_t* start;
  const std::uint16_t* index;  // prefetch_distance more than there are nonzeros
  const float* value;
  bool prefetch;  // software prefetch of the tile's rows, which are in L2
};
inline constexpr int prefetch_distance = 12;

/// out_i (+)= factor sum_e value_e tile_(index_e), for rows first .. last - 1, `n_cols` <=
/// tile_width() columns written into rows `width` apart.
void spmm_tile(int first, int last, const BlockRows& lists, const float* tile, float factor,
               Store store, int n_cols, int width, float* out);

/// One Adam update of n weights; see AdamStep. The corrections are 1 / (1 - b^t).
struct Adam {
  float learning_rate, weight_decay, clip, first_correction, second_correction;
};
void adam(std::size_t n, const Adam& step, const float* gradient, float* first, float* second,
          float* weight);

}  // namespace stamarker::rows
