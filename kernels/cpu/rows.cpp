#include "kernels/cpu/rows.hpp"

#include <algorithm>
#include <cmath>

namespace stamarker::rows {
namespace {

/// 16 floats: one AVX-512 register, two of AVX2, four of SSE. Loads need no alignment.
using Vec = float __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int lanes = 16;
constexpr int chunk = 8;  // Vecs that stay in registers while a list of rows is combined

inline const Vec* vecs(const float* p) { return reinterpret_cast<const Vec*>(p); }
inline Vec* vecs(float* p) { return reinterpret_cast<Vec*>(p); }

inline std::size_t row(int i, int width) { return static_cast<std::size_t>(i) * width; }

}  // namespace

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void combine(
    int first, int last, const Lists& lists, const float* in, int width, Then then, float* out) {
  constexpr int step = lanes * chunk;
  for (int i = first; i < last; ++i) {
    float* to = out + row(i, width);
    std::int64_t end = lists.start[i];
    while (end < lists.start[i + 1] && lists.index[end] < lists.limit) ++end;
    int c = 0;
    for (; c + step <= width; c += step) {
      Vec sum[chunk] = {};
      for (std::int64_t e = lists.start[i]; e < end; ++e) {
        const float w = lists.weight == nullptr ? 1.0f
                        : lists.edge == nullptr ? lists.weight[e]
                                                : lists.weight[lists.edge[e]];
        const Vec* from = vecs(in + row(lists.index[e], width) + c);
        for (int k = 0; k < chunk; ++k) sum[k] += w * from[k];
      }
      for (int k = 0; k < chunk; ++k) vecs(to + c)[k] = sum[k];
    }
    for (int k = c; k < width; ++k) to[k] = 0;
    if (c < width) {
      for (std::int64_t e = lists.start[i]; e < end; ++e) {
        const float w = lists.weight == nullptr ? 1.0f
                        : lists.edge == nullptr ? lists.weight[e]
                                                : lists.weight[lists.edge[e]];
        const float* from = in + row(lists.index[e], width);
        for (int k = c; k < width; ++k) to[k] += w * from[k];
      }
    }
    if (then == Then::elu)
      for (int k = 0; k < width; ++k) to[k] = elu(to[k]);
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void edge_dots(
    int first, int last, const std::int64_t* start, const std::int32_t* index, const float* a,
    const float* b, int width, Store store, float* out) {
  for (int i = first; i < last; ++i) {
    const float* x = a + row(i, width);
    for (std::int64_t e = start[i]; e < start[i + 1]; ++e) {
      const float* y = b + row(index[e], width);
      Vec sum[4] = {};
      int k = 0;
      for (; k + 4 * lanes <= width; k += 4 * lanes)
        for (int u = 0; u < 4; ++u) sum[u] += vecs(x + k)[u] * vecs(y + k)[u];
      const Vec total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
      float value = 0;
      for (int l = 0; l < lanes; ++l) value += total[l];
      for (; k < width; ++k) value += x[k] * y[k];
      out[e] = store == Store::add ? out[e] + value : value;
    }
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] double dot(std::size_t n,
                                                                                 const float* a,
                                                                                 const float* b) {
  double total = 0;
  std::size_t k = 0;
  constexpr std::size_t run =
      std::size_t{32} * lanes;  // products added in float before they go to double
  for (; k + run <= n; k += run) {
    Vec sum[4] = {};
    for (std::size_t u = 0; u < 32; u += 4)
      for (std::size_t v = 0; v < 4; ++v) sum[v] += vecs(a + k)[u + v] * vecs(b + k)[u + v];
    const Vec all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int l = 0; l < lanes; ++l) total += all[l];
  }
  for (; k < n; ++k) total += static_cast<double>(a[k]) * b[k];
  return total;
}

void dots(int first, int last, const float* in, int width, const float* a, float* out) {
  for (int i = first; i < last; ++i)
    out[i] = static_cast<float>(dot(static_cast<std::size_t>(width), in + row(i, width), a));
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] double decoder_slope(
    std::size_t n, float scale, const float* __restrict y, const float* __restrict h,
    float* __restrict d) {
  const double total = dot(n, y, h);
  for (std::size_t k = 0; k < n; ++k) d[k] = scale * (d[k] - y[k]) * elu_slope(h[k]);
  return total;
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void times_elu_slope(
    std::size_t n, const float* __restrict g, float* __restrict h) {
  for (std::size_t k = 0; k < n; ++k) h[k] = g[k] * elu_slope(h[k]);
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void elu_in_place(
    std::size_t n, float* h) {
  for (std::size_t k = 0; k < n; ++k) h[k] = elu(h[k]);
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void exp_in_place(
    std::size_t n, float* x) {
  for (std::size_t k = 0; k < n; ++k) x[k] = fast_exp(x[k]);
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void scale(
    std::size_t n, float factor, const float* __restrict in, float* __restrict out) {
  for (std::size_t k = 0; k < n; ++k) out[k] = factor * in[k];
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void add_scaled(
    int first, int last, const float* scalar, const float* __restrict a, int width,
    float* __restrict out) {
  for (int i = first; i < last; ++i) {
    float* to = out + row(i, width);
    const float s = scalar[i];
    for (int k = 0; k < width; ++k) to[k] += s * a[k];
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void add_weighted_columns(
    int n_rows, const float* scalar, const float* in, int width, int n_cols,
    double* __restrict sum) {
  for (int i = 0; i < n_rows; ++i) {
    const float* from = in + row(i, width);
    const double s = scalar[i];
    for (int k = 0; k < n_cols; ++k) sum[k] += s * from[k];
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void subtract_scaled(
    std::size_t n, float c, const float* __restrict h, float* __restrict y) {
  for (std::size_t k = 0; k < n; ++k) y[k] -= c * h[k];
}

void pack_tile(int n_rows, const std::int32_t* index, const float* in, int width, int first,
               float* out) {
  const int n = width - first < tile_width ? width - first : tile_width;
  for (int i = 0; i < n_rows; ++i) {
    const float* from = in + row(index == nullptr ? i : index[i], width) + first;
    float* to = out + row(i, tile_width);
    for (int k = 0; k < n; ++k) to[k] = from[k];
    for (int k = n; k < tile_width; ++k) to[k] = 0;
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void sparse_times_tile(
    int first, int last, const BlockLists& lists, const float* tile, float factor, Store store,
    int n_cols, int width, float* out) {
  constexpr int n = tile_width / lanes;
  for (int i = first; i < last; ++i) {
    Vec sum[n] = {};
    for (std::int64_t e = lists.start[i]; e < lists.start[i + 1]; ++e) {
      const float v = lists.value[e];
      const Vec* from = vecs(tile + row(lists.index[e], tile_width));
      for (int k = 0; k < n; ++k) sum[k] += v * from[k];
    }
    for (int k = 0; k < n; ++k) sum[k] *= factor;
    float* to = out + row(i, width);
    if (n_cols == tile_width) {
      for (int k = 0; k < n; ++k) vecs(to)[k] = store == Store::add ? vecs(to)[k] + sum[k] : sum[k];
    } else {
      const float* from = reinterpret_cast<const float*>(sum);
      for (int k = 0; k < n_cols; ++k) to[k] = store == Store::add ? to[k] + from[k] : from[k];
    }
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void adam(
    std::size_t n, const Adam& step, const float* __restrict gradient, float* __restrict first,
    float* __restrict second, float* __restrict weight) {
  constexpr float b1 = 0.9f, b2 = 0.999f, epsilon = 1e-8f;
  const float clip = step.clip, decay = step.weight_decay;
  const float rate = step.learning_rate * step.first_correction;
  const float correction = step.second_correction;
  for (std::size_t k = 0; k < n; ++k) {
    const float g = clip * gradient[k] + decay * weight[k];
    const float m = first[k] = b1 * first[k] + (1 - b1) * g;
    const float v = second[k] = b2 * second[k] + (1 - b2) * g * g;
    weight[k] -= rate * m / (std::sqrt(v * correction) + epsilon);
  }
}

}  // namespace stamarker::rows
