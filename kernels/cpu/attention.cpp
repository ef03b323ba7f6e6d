#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/rows.hpp"

namespace stamarker {
namespace {

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

/// Rows begin .. end of A B into the same rows of out.
void multiply_rows(int begin, int end, ConstMatrix a, const RightFactor& b, Matrix out) {
  b.multiply(end - begin, row_of(a, begin), row_of(out, begin));
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

/// out += the sum of the rows of parts [n_parts, n], in order.
void add_parts(const std::vector<double>& parts, DeviceSpan<float> out) {
  std::vector<double> total(out.size);
  for (std::size_t at = 0; at < parts.size(); at += out.size)
    for (std::size_t k = 0; k < out.size; ++k) total[k] += parts[at + k];
  for (std::size_t k = 0; k < out.size; ++k) out.data[k] += static_cast<float>(total[k]);
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
  const std::int64_t* start = graph.row_start.data;
  for_row_blocks(graph.n_rows, [&](int begin, int end) {
    float* const alpha = step.alpha.data;
    const auto n_edges = static_cast<std::size_t>(start[end] - start[begin]);
    for (int i = begin; i < end; ++i)
      for (std::int64_t e = start[i]; e < start[i + 1]; ++e)
        alpha[e] = step.score_src.data[graph.source.data[e]] + step.score_dst.data[i];
    rows::attention_scores(n_edges, step.attention, alpha + start[begin]);
    for (int i = begin; i < end; ++i) {  // shifted by the largest score, as every softmax is
      const float top = *std::max_element(alpha + start[i], alpha + start[i + 1]);
      for (std::int64_t e = start[i]; e < start[i + 1]; ++e) alpha[e] -= top;
    }
    rows::exp_in_place(n_edges, alpha + start[begin]);
    for (int i = begin; i < end; ++i) {
      float total = 0;
      for (std::int64_t e = start[i]; e < start[i + 1]; ++e) total += alpha[e];
      const float share = 1 / total;
      for (std::int64_t e = start[i]; e < start[i + 1]; ++e) alpha[e] *= share;
    }
  });
}

void CpuBackend::encode(const StepView& step) {
  if (step.single_source) return encode_sampled(step);
  const RightFactor w2(Transpose::no, step.weights.w2);
  for_row_blocks(step.graph.n_rows, [&](int begin, int end) {
    rows::combine(begin, end, rows_of(step), step.y.data, step.y.n_cols, rows::Then::elu,
                  step.h1.data);
    multiply_rows(begin, end, step.h1, w2, step.z);
  });
}

// alpha Q = alpha (Z W2^T) = (alpha Z) W2^T: what goes through the graph is L wide, not H, and Q is
// never formed. Nor is dQ: with U = dO3 W2, dalpha_ij = <dO3_i, q_j> = <u_i, z_j>,
// dZ = alpha^T dO3 W2 = alpha^T U, and dW2 = (alpha^T dO3)^T Z = dO3^T (alpha Z).

void CpuBackend::decode(const StepView& step) {
  if (step.single_source) return decode_sampled(step);
  const int n_latent = step.z.n_cols;
  d_o3_w2_.resize(static_cast<std::size_t>(step.tile.n_own) * n_latent);
  const Matrix u{d_o3_w2_.data(), step.tile.n_own, n_latent};
  const RightFactor w2(Transpose::no, step.weights.w2), s(Transpose::no, step.s);
  const RightFactor w2_transposed(Transpose::yes, step.weights.w2);
  step.dot.data[0] +=
      sum_over_blocks(step.tile.n_own, rows_in_cache, [&](std::size_t b, std::size_t e) {
        const int begin = static_cast<int>(b), end = static_cast<int>(e);
        rows::combine(begin, end, rows_of(step), step.z.data, n_latent, rows::Then::nothing,
                      step.d_z.data);  // alpha Z, until decoder_backward() has used it
        multiply_rows(begin, end, step.d_z, w2_transposed, step.h3);
        rows::elu_in_place(n_values(step.h3, begin, end), row_of(step.h3, begin));
        multiply_rows(begin, end, step.h3, s, step.d_o3);
        const double dot =
            rows::decoder_slope(n_values(step.h3, begin, end), step.scale, row_of(step.y, begin),
                                row_of(step.h3, begin), row_of(step.d_o3, begin));
        multiply_rows(begin, end, step.d_o3, w2, u);
        return dot;
      });
  add_symmetric_product(step.h3, step.h3, step.p);
}

void CpuBackend::decoder_backward(const StepView& step) {
  if (step.single_source) return decoder_backward_sampled(step);
  const GraphView& graph = step.graph;
  const int n_own = step.tile.n_own, n_latent = step.z.n_cols;
  const float* u = d_o3_w2_.data();  // of decode(), as alpha Z in d_z
  add_transposed_product(step.d_o3, ConstMatrix(step.d_z).rows(n_own), step.gradient.decoder_w2);
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
  if (step.single_source) return latent_backward_sampled(step);
  const int n_rows = step.graph.n_rows, width = step.h1.n_cols, n_latent = step.d_z.n_cols;
  const RightFactor w2_transposed(Transpose::yes, step.weights.w2);
  for (int first = 0; first < n_rows; first += rows_in_turn) {
    const int n = std::min(rows_in_turn, n_rows - first);
    if (step.gradient.w2.data != nullptr)
      add_transposed_product({row_of(step.h1, first), n, width},
                             {row_of(step.d_z, first), n, n_latent}, step.gradient.w2);
    for_row_blocks(
        n,
        [&](int begin, int end) {
          const int row = first + begin;
          std::vector<float> d_h1(n_values(step.h1, begin, end));
          w2_transposed.multiply(end - begin, row_of(step.d_z, row), d_h1.data());
          rows::times_elu_slope(d_h1.size(), d_h1.data(), row_of(step.h1, row));
        },
        /*block=*/rows_in_cache);
  }
}

void CpuBackend::encoder_backward(const StepView& step) {
  if (step.single_source) return;  // latent_backward has left dY of the sampled rows in h1
  const GraphView& graph = step.graph;
  const int width = step.y.n_cols, n_rows = graph.n_rows, n_spots = step.tile.n_spots;
  for_row_blocks(n_rows, [&](int begin, int end) {
    rows::edge_dots(begin, end, graph.row_start.data, graph.source.data, step.h1.data, step.y.data,
                    width, rows::Store::add, step.d_alpha.data);
    softmax_backward_rows(step, begin, end);
  });
  // Y of a block leaves the cache only as dY: a_src += Y^T ds, a_dst += Y^T dd, then dY.
  const bool wants_attention = step.gradient.a_src.data != nullptr;
  const std::size_t n_parts = (n_spots + rows_in_cache - 1) / rows_in_cache;
  std::vector<double> src(wants_attention ? n_parts * width : 0), dst(src.size());
  for_row_blocks(
      n_spots,
      [&](int begin, int end) {
        for (int j = begin; j < end; ++j) {
          float total = 0;
          for (std::int64_t t = graph.target_start.data[j]; t < graph.target_start.data[j + 1]; ++t)
            total += step.d_alpha.data[graph.edge.data[t]];
          step.score_src.data[j] = total;
        }
        const int attending = std::min(end, n_rows);
        if (wants_attention) {
          const std::size_t part = static_cast<std::size_t>(begin / rows_in_cache) * width;
          rows::add_weighted_rows(begin, end, step.score_src.data, step.y.data, width, &src[part]);
          rows::add_weighted_rows(begin, attending, step.score_dst.data, step.y.data, width,
                                  &dst[part]);
        }
        rows::combine(begin, end, columns_of(step, no_limit), step.h1.data, width,
                      rows::Then::nothing, step.y.data);
        rows::add_scaled(begin, end, step.score_src.data, step.weights.a_src.data, width,
                         step.y.data);
        rows::add_scaled(begin, attending, step.score_dst.data, step.weights.a_dst.data, width,
                         step.y.data);
      },
      rows_in_cache);
  if (!wants_attention) return;
  add_parts(src, step.gradient.a_src);
  add_parts(dst, step.gradient.a_dst);
}

}  // namespace stamarker
