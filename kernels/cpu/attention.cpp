#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/dense.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {
namespace {

constexpr int rows_in_cache = 64;  // three arrays of them, 128 KB each, and their sources fit
constexpr std::int32_t no_limit = std::numeric_limits<std::int32_t>::max();

float* row_of(Matrix m, int i) { return m.data + static_cast<std::size_t>(i) * m.n_cols; }
const float* row_of(ConstMatrix m, int i) {
  return m.data + static_cast<std::size_t>(i) * m.n_cols;
}
std::size_t n_values(Matrix m, int begin, int end) {
  return static_cast<std::size_t>(end - begin) * m.n_cols;
}

rows::Lists rows_of(const StepView& step) {  // sum over the sources of a row
  return {step.graph.row_start.data, step.graph.source.data,
          step.single_source ? nullptr : step.alpha.data, nullptr, no_limit};
}
rows::Lists columns_of(const StepView& step, int limit) {  // sum over the targets of a source
  return {step.graph.target_start.data, step.graph.target.data,
          step.single_source ? nullptr : step.alpha.data, step.graph.edge.data, limit};
}

/// Rows begin .. end of A times B, or times B^T, into the same rows of out.
void multiply_rows(int begin, int end, ConstMatrix a, Transpose b_op, ConstMatrix b, Matrix out) {
  gemm(Transpose::no, b_op, end - begin, out.n_cols, a.n_cols, 1, row_of(a, begin), a.n_cols,
       b.data, b.n_cols, 0, row_of(out, begin), out.n_cols);
}

/// Rows begin .. end - 1 of alpha Z, into out [end - begin, L].
void combine_rows(const StepView& step, int begin, int end, float* out) {
  rows::Lists lists = rows_of(step);
  lists.start += begin;
  rows::combine(0, end - begin, lists, step.z.data, step.z.n_cols, rows::Then::nothing, out);
}

/// Scores of one row, then alpha, in place. Shifted by the largest score, as every softmax is.
void softmax_row(float* alpha, std::int64_t n) {
  const float top = *std::max_element(alpha, alpha + n);
  float total = 0;
  for (std::int64_t e = 0; e < n; ++e) total += alpha[e] = fast_exp(alpha[e] - top);
  for (std::int64_t e = 0; e < n; ++e) alpha[e] /= total;
}

/// d_alpha becomes g for rows begin .. end; score_dst becomes dd.
void softmax_backward_rows(const StepView& step, int begin, int end) {
  const GraphView& graph = step.graph;
  for (int i = begin; i < end; ++i) {
    const std::int64_t first = graph.row_start.data[i], last = graph.row_start.data[i + 1];
    float mean = 0;  // sum_k alpha_ik dalpha_ik
    for (std::int64_t e = first; e < last; ++e) mean += step.alpha.data[e] * step.d_alpha.data[e];
    float total = 0;
    for (std::int64_t e = first; e < last; ++e) {
      const float score = step.score_src.data[graph.source.data[e]] + step.score_dst.data[i];
      const float g = step.alpha.data[e] * (step.d_alpha.data[e] - mean) *
                      attention_slope(step.attention, score);
      step.d_alpha.data[e] = g;
      total += g;
    }
    step.score_dst.data[i] = total;
  }
}

/// a_src += Y^T ds, a_dst += Y^T dd, by columns, so that each sum runs over spots in order.
void add_attention_gradient(const StepView& step) {
  constexpr int n_columns = rows::tile_width;
  const int width = step.y.n_cols;
  for_row_blocks(
      width,
      [&](int begin, int end) {
        std::array<double, n_columns> src{}, dst{};
        rows::add_weighted_columns(step.tile.n_spots, step.score_src.data, step.y.data + begin,
                                   width, end - begin, src.data());
        rows::add_weighted_columns(step.tile.n_attending, step.score_dst.data, step.y.data + begin,
                                   width, end - begin, dst.data());
        for (int k = begin; k < end; ++k) {
          step.gradient.a_src.data[k] += static_cast<float>(src[k - begin]);
          step.gradient.a_dst.data[k] += static_cast<float>(dst[k - begin]);
        }
      },
      n_columns);
}

}  // namespace

void CpuBackend::attend(const StepView& step) {
  const GraphView& graph = step.graph;
  const int width = step.y.n_cols;
  for_row_blocks(step.tile.n_spots, [&](int begin, int end) {
    rows::dots(begin, end, step.y.data, width, step.weights.a_src.data, step.score_src.data);
    rows::dots(begin, std::min(end, graph.n_rows), step.y.data, width, step.weights.a_dst.data,
               step.score_dst.data);
  });
  for_row_blocks(graph.n_rows, [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      const std::int64_t first = graph.row_start.data[i], last = graph.row_start.data[i + 1];
      for (std::int64_t e = first; e < last; ++e)
        step.alpha.data[e] = attention_score(
            step.attention, step.score_src.data[graph.source.data[e]] + step.score_dst.data[i]);
      softmax_row(step.alpha.data + first, last - first);
    }
  });
}

void CpuBackend::encode(const StepView& step) {
  if (step.single_source) return encode_drawn(step);
  for_row_blocks(step.graph.n_rows, [&](int begin, int end) {
    rows::combine(begin, end, rows_of(step), step.y.data, step.y.n_cols, rows::Then::elu,
                  step.h1.data);
    multiply_rows(begin, end, step.h1, Transpose::no, step.weights.w2, step.z);
  });
}

// alpha Q = alpha (Z W2^T) = (alpha Z) W2^T: what goes through the graph is L wide, not H, and Q is
// never formed. Nor is dQ: with U = dO3 W2, dalpha_ij = <dO3_i, q_j> = <u_i, z_j>,
// dZ = alpha^T dO3 W2 = alpha^T U, and dW2 = (alpha^T dO3)^T Z = dO3^T (alpha Z).

void CpuBackend::decode(const StepView& step) {
  if (step.single_source) return decode_drawn(step);
  const int n_latent = step.z.n_cols;
  d_o3_w2_.resize(static_cast<std::size_t>(step.tile.n_own) * n_latent);
  const Matrix u{d_o3_w2_.data(), step.tile.n_own, n_latent};
  step.dot.data[0] +=
      sum_over_blocks(step.tile.n_own, rows_in_cache, [&](std::size_t b, std::size_t e) {
        const int begin = static_cast<int>(b), end = static_cast<int>(e);
        std::vector<float> alpha_z((e - b) * n_latent);
        combine_rows(step, begin, end, alpha_z.data());
        gemm(Transpose::no, Transpose::yes, end - begin, step.h3.n_cols, n_latent, 1,
             alpha_z.data(), n_latent, step.weights.w2.data, n_latent, 0, row_of(step.h3, begin),
             step.h3.n_cols);
        rows::elu_in_place(n_values(step.h3, begin, end), row_of(step.h3, begin));
        multiply_rows(begin, end, step.h3, Transpose::no, step.s, step.d_o3);
        const double dot =
            rows::decoder_slope(n_values(step.h3, begin, end), step.scale, row_of(step.y, begin),
                                row_of(step.h3, begin), row_of(step.d_o3, begin));
        multiply_rows(begin, end, step.d_o3, Transpose::no, step.weights.w2, u);
        return dot;
      });
  add_symmetric_product(step.h3, step.h3, step.p);
}

void CpuBackend::decoder_backward(const StepView& step) {
  if (step.single_source) return decoder_backward_drawn(step);
  const GraphView& graph = step.graph;
  const int n_own = step.tile.n_own, n_latent = step.z.n_cols;
  const float* u = d_o3_w2_.data();  // of decode()
  std::vector<float> alpha_z(d_o3_w2_.size());
  for_row_blocks(n_own, [&](int begin, int end) {
    combine_rows(step, begin, end, alpha_z.data() + static_cast<std::size_t>(begin) * n_latent);
  });
  add_transposed_product(step.d_o3, {alpha_z.data(), n_own, n_latent}, step.gradient.decoder_w2);
  for_row_blocks(graph.n_rows, [&](int begin, int end) {
    rows::edge_dots(begin, std::min(end, n_own), graph.row_start.data, graph.source.data, u,
                    step.z.data, n_latent, rows::Store::overwrite, step.d_alpha.data);
    const std::int64_t own_end = graph.row_start.data[std::clamp(n_own, begin, end)];
    std::fill(step.d_alpha.data + own_end, step.d_alpha.data + graph.row_start.data[end], 0.0f);
    rows::combine(begin, end, columns_of(step, n_own), u, n_latent, rows::Then::nothing,
                  step.d_z.data);
  });
}

void CpuBackend::latent_backward(const StepView& step) {
  if (step.single_source) return latent_backward_drawn(step);
  if (step.gradient.w2.data != nullptr) add_transposed_product(step.h1, step.d_z, step.gradient.w2);
  for_row_blocks(
      step.graph.n_rows,
      [&](int begin, int end) {
        std::vector<float> d_h1(n_values(step.h1, begin, end));
        gemm(Transpose::no, Transpose::yes, end - begin, step.h1.n_cols, step.d_z.n_cols, 1,
             row_of(step.d_z, begin), step.d_z.n_cols, step.weights.w2.data, step.weights.w2.n_cols,
             0, d_h1.data(), step.h1.n_cols);
        rows::times_elu_slope(d_h1.size(), d_h1.data(), row_of(step.h1, begin));
      },
      /*block=*/64);  // so that d_h1 stays in the second-level cache
}

void CpuBackend::encoder_backward(const StepView& step) {
  if (step.single_source) return;  // latent_backward has left dY of the drawn rows in h1
  const GraphView& graph = step.graph;
  const int width = step.y.n_cols;
  if (!step.single_source) {
    for_row_blocks(graph.n_rows, [&](int begin, int end) {
      rows::edge_dots(begin, end, graph.row_start.data, graph.source.data, step.h1.data,
                      step.y.data, width, rows::Store::add, step.d_alpha.data);
    });
    for_row_blocks(graph.n_rows,
                   [&](int begin, int end) { softmax_backward_rows(step, begin, end); });
    for_row_blocks(step.tile.n_spots, [&](int begin, int end) {
      for (int j = begin; j < end; ++j) {
        float total = 0;
        for (std::int64_t t = graph.target_start.data[j]; t < graph.target_start.data[j + 1]; ++t)
          total += step.d_alpha.data[graph.edge.data[t]];
        step.score_src.data[j] = total;
      }
    });
    if (step.gradient.a_src.data != nullptr) add_attention_gradient(step);
  }
  for_row_blocks(step.tile.n_spots, [&](int begin, int end) {
    rows::combine(begin, end, columns_of(step, no_limit), step.h1.data, width, rows::Then::nothing,
                  step.y.data);
    if (step.single_source) return;
    rows::add_scaled(begin, end, step.score_src.data, step.weights.a_src.data, width, step.y.data);
    rows::add_scaled(begin, std::min(end, graph.n_rows), step.score_dst.data,
                     step.weights.a_dst.data, width, step.y.data);
  });
}

}  // namespace stamarker
