#include <algorithm>
#include <limits>

#include "kernels/cpu/blocks.hpp"
#include "kernels/cpu/cpu_backend.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/rows.hpp"

// The chain of a training step in which every spot attends to one sampled source. Arrays hold the
// sampled rows only, see sampled_rows.hpp, in their first rows:
//   h1: elu(y_k), then dY_k, k in K      z, d_z: of j in J      h3: elu(q_j), j in J
//   d_o3: dQ_j, j in J

namespace stamarker {
namespace {

float* row_of(Matrix m, int i) { return m.data + static_cast<std::size_t>(i) * m.n_cols; }

}  // namespace

void CpuBackend::encode_sampled(const StepView& step) {
  sampled_.assign(step.graph, step.tile.n_own);
  const int width = step.y.n_cols, n_latent = step.z.n_cols;
  std::vector<float> z(static_cast<std::size_t>(sampled_.n_encoded()) * n_latent);
  const RightFactor w2(Transpose::no, step.weights.w2);
  for_row_blocks(sampled_.n_encoded(), [&](int begin, int end) {
    for (int p = begin; p < end; ++p) {
      const float* y = row_of(step.y, sampled_.encoded[p]);
      std::copy(y, y + width, row_of(step.h1, p));
    }
    rows::elu_in_place(static_cast<std::size_t>(end - begin) * width, row_of(step.h1, begin));
    w2.multiply(end - begin, row_of(step.h1, begin),
                z.data() + static_cast<std::size_t>(begin) * n_latent);
  });
  for (int p = 0; p < sampled_.n_decoded(); ++p)
    std::copy_n(z.begin() + std::ptrdiff_t{sampled_.encoded_of[p]} * n_latent, n_latent,
                row_of(step.z, p));
}

// H3^T H3 over own spots is (m h)^T h, h_j = elu(q_j), m_j how many own spots drew j. m h is kept
// for the rows in turn only.
void CpuBackend::decode_sampled(const StepView& step) {
  const int n = sampled_.n_decoded(), width = step.y.n_cols;
  const RightFactor w2_transposed(Transpose::yes, step.weights.w2), s(Transpose::no, step.s);
  const std::vector<std::int64_t>& own_start = sampled_.decoded_start;
  std::vector<float> kept(static_cast<std::size_t>(std::min(n, rows_in_turn)) * width);
  for (int first = 0; first < n; first += rows_in_turn) {
    const int n_in_turn = std::min(rows_in_turn, n - first);
    const Matrix m_h{kept.data(), n_in_turn, width};
    step.dot.data[0] +=
        sum_over_blocks(n_in_turn, rows_in_cache, [&](std::size_t b, std::size_t e) {
          const int begin = first + static_cast<int>(b), end = first + static_cast<int>(e);
          const std::size_t n_values = (e - b) * width;
          w2_transposed.multiply(end - begin, row_of(step.z, begin), row_of(step.h3, begin));
          rows::elu_in_place(n_values, row_of(step.h3, begin));
          for (int p = begin; p < end; ++p) {
            const auto times = static_cast<float>(own_start[p + 1] - own_start[p]);
            rows::scale(static_cast<std::size_t>(width), times, row_of(step.h3, p),
                        row_of(m_h, p - first));
          }
          s.multiply(end - begin, row_of(m_h, begin - first), row_of(step.d_o3, begin));
          std::vector<float> y(n_values);  // sum of y_i over the own spots that drew the row
          rows::combine(0, end - begin,
                        {&own_start[begin], sampled_.own.data(), nullptr, nullptr,
                         std::numeric_limits<std::int32_t>::max()},
                        step.y.data, width, rows::Then::nothing, y.data());
          return rows::decoder_slope(n_values, step.scale, y.data(), row_of(step.h3, begin),
                                     row_of(step.d_o3, begin));
        });
    add_symmetric_product(m_h, {row_of(step.h3, first), n_in_turn, width}, step.p);
  }
}

void CpuBackend::decoder_backward_sampled(const StepView& step) {
  const int n = sampled_.n_decoded();
  const RightFactor w2(Transpose::no, step.weights.w2);
  for_row_blocks(n, [&](int begin, int end) {
    w2.multiply(end - begin, row_of(step.d_o3, begin), row_of(step.d_z, begin));
  });
  add_transposed_product(ConstMatrix(step.d_o3).rows(n), ConstMatrix(step.z).rows(n),
                         step.gradient.decoder_w2);
}

void CpuBackend::latent_backward_sampled(const StepView& step) {
  const int n = sampled_.n_encoded(), width = step.y.n_cols, n_latent = step.z.n_cols;
  std::vector<float> d_z(static_cast<std::size_t>(n) * n_latent);
  rows::combine(0, n,
                {sampled_.encoded_start.data(), sampled_.decoded_by_source.data(), nullptr, nullptr,
                 std::numeric_limits<std::int32_t>::max()},
                step.d_z.data, n_latent, rows::Then::nothing, d_z.data());
  add_transposed_product(ConstMatrix(step.h1).rows(n), {d_z.data(), n, n_latent}, step.gradient.w2);
  const RightFactor w2_transposed(Transpose::yes, step.weights.w2);
  for_row_blocks(n, [&](int begin, int end) {
    std::vector<float> d_h1(static_cast<std::size_t>(end - begin) * width);
    w2_transposed.multiply(end - begin, d_z.data() + static_cast<std::size_t>(begin) * n_latent,
                           d_h1.data());
    rows::times_elu_slope(d_h1.size(), d_h1.data(), row_of(step.h1, begin));
  });
}

}  // namespace stamarker
