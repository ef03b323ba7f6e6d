#include "kernels/cpu/rows.hpp"

#include <algorithm>
#include <cmath>

#include "base/instruction_sets.hpp"
#include "kernels/cpu/instruction_sets.hpp"

namespace stamarker::rows {
namespace {

/// Of a tile row and a list, summed in registers: half of those that AVX2 and SSE have.
constexpr int vectors_summed = 8;
constexpr int tile_of(int lanes) { return std::max(64, vectors_summed * lanes); }

constexpr int chunk = 8;  // vectors that stay in registers while a list of rows is combined

template <int lanes>
const Vector<lanes>* vecs(const float* p) {
  return reinterpret_cast<const Vector<lanes>*>(p);
}
template <int lanes>
Vector<lanes>* vecs(float* p) {
  return reinterpret_cast<Vector<lanes>*>(p);
}

inline std::size_t row(int i, int width) { return static_cast<std::size_t>(i) * width; }

/// Asks for n floats beforehand.
inline void fetch(const float* p, int n) {
  for (int k = 0; k < n; k += 16) __builtin_prefetch(p + k);
}
constexpr int rows_ahead = 16;  // main memory answers after some 100 ns

inline float weight_of(const Lists& lists, std::int64_t e) {
  if (lists.weight == nullptr) return 1;
  return lists.weight[lists.edge == nullptr ? e : lists.edge[e]];
}

template <int lanes>
[[gnu::always_inline]] inline float sum_of_lanes(const Vector<lanes>& v) {
  if constexpr (lanes == 16) {
    return sum_of_lanes<8>(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                           __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
  } else if constexpr (lanes == 8) {
    return sum_of_lanes<4>(__builtin_shufflevector(v, v, 0, 1, 2, 3) +
                           __builtin_shufflevector(v, v, 4, 5, 6, 7));
  } else {
    return (v[0] + v[2]) + (v[1] + v[3]);
  }
}

/// For the end of rows of n floats: 1 in the lanes of the last vector that ends with the row and
/// that whole vectors from its beginning do not cover, 0 in the others.
template <int lanes>
struct RestOfRow {
  explicit RestOfRow(int n) {
    for (int l = 0; l < lanes; ++l) lane[l] = l < lanes - n % lanes ? 0.0f : 1.0f;
  }
  float lane[lanes];
};

/// <x, y> of n floats; rest: of rows of n.
template <int lanes>
[[gnu::always_inline]] inline float dot_in_float(const float* x, const float* y, int n,
                                                 const RestOfRow<lanes>& rest) {
  using V = Vector<lanes>;
  V sum[4] = {};
  int k = 0;
  for (; k + 4 * lanes <= n; k += 4 * lanes)
    for (int u = 0; u < 4; ++u) sum[u] += vecs<lanes>(x + k)[u] * vecs<lanes>(y + k)[u];
  for (; k + lanes <= n; k += lanes) sum[0] += vecs<lanes>(x + k)[0] * vecs<lanes>(y + k)[0];
  if (k < n && n >= lanes) {
    sum[1] +=
        vecs<lanes>(rest.lane)[0] * vecs<lanes>(x + n - lanes)[0] * vecs<lanes>(y + n - lanes)[0];
    k = n;
  }
  float value = sum_of_lanes<lanes>((sum[0] + sum[1]) + (sum[2] + sum[3]));
  for (; k < n; ++k) value += x[k] * y[k];
  return value;
}

/// Columns first .. first + lanes n - 1 of one row of combine(), its list ending before `end`.
template <int lanes, int n>
[[gnu::always_inline]] inline void combine_columns(const Lists& lists, std::int64_t begin,
                                                   std::int64_t end, const float* in, int width,
                                                   int first, float* out) {
  Vector<lanes> sum[n] = {};
  for (std::int64_t e = begin; e < end; ++e) {
    const float w = weight_of(lists, e);
    const Vector<lanes>* from = vecs<lanes>(in + row(lists.index[e], width) + first);
    for (int k = 0; k < n; ++k) sum[k] += w * from[k];
  }
  for (int k = 0; k < n; ++k) vecs<lanes>(out + first)[k] = sum[k];
}

}  // namespace

void combine(int first, int last, const Lists& lists, const float* in, int width, Then then,
             float* out) {
  with_best_vectors([=](auto lanes) __attribute__((always_inline)) {
    for (int i = first; i < last; ++i) {
      float* to = out + row(i, width);
      const std::int64_t begin = lists.start[i];
      std::int64_t end = begin;
      while (end < lists.start[i + 1] && lists.index[end] < lists.limit) ++end;
      int c = 0;
      fetch(in + row(i + rows_ahead, width), width);
      for (; c + lanes * chunk <= width; c += lanes * chunk)
        combine_columns<lanes, chunk>(lists, begin, end, in, width, c, to);
      if (width >= lanes) {  // the last ones overlap those before
        for (; c < width; c += lanes)
          combine_columns<lanes, 1>(lists, begin, end, in, width, std::min(c, width - lanes), to);
      } else {
        for (int k = 0; k < width; ++k) to[k] = 0;
        for (std::int64_t e = begin; e < end; ++e)
          for (int k = 0; k < width; ++k)
            to[k] += weight_of(lists, e) * in[row(lists.index[e], width) + k];
      }
      if (then == Then::elu)
        for (int k = 0; k < width; ++k) to[k] = elu(to[k]);
    }
  });
}

void edge_dots(int first, int last, const std::int64_t* start, const std::int32_t* index,
               const float* a, const float* b, int width, Store store, float* out) {
  with_best_vectors([=](auto lanes) __attribute__((always_inline)) {
    const RestOfRow<lanes> rest(width);
    for (int i = first; i < last; ++i) {
      fetch(b + row(i + rows_ahead, width), width);
      for (std::int64_t e = start[i]; e < start[i + 1]; ++e) {
        const float value =
            dot_in_float<lanes>(a + row(i, width), b + row(index[e], width), width, rest);
        out[e] = store == Store::add ? out[e] + value : value;
      }
    }
  });
}

double dot(std::size_t n, const float* a, const float* b) {
  return with_best_vectors([=](auto lanes) __attribute__((always_inline)) {
    using V = Vector<lanes>;
    constexpr std::size_t run = std::size_t{32} * lanes;  // products added in float ...
    double sum[lanes] = {};                               // ... before they go to double
    std::size_t k = 0;
    for (; k + run <= n; k += run) {
      V part[4] = {};
      for (std::size_t u = 0; u < 32; u += 4)
        for (std::size_t v = 0; v < 4; ++v)
          part[v] += vecs<lanes>(a + k)[u + v] * vecs<lanes>(b + k)[u + v];
      const V all = (part[0] + part[1]) + (part[2] + part[3]);
      for (int l = 0; l < lanes; ++l) sum[l] += all[l];
    }
    double total = 0;
    for (int l = 0; l < lanes; ++l) total += sum[l];
    for (; k < n; ++k) total += static_cast<double>(a[k]) * b[k];
    return total;
  });
}

void dots(int first, int last, const float* in, int width, const float* a, float* out) {
  with_best_vectors([=](auto lanes) __attribute__((always_inline)) {
    const RestOfRow<lanes> rest(width);
    for (int i = first; i < last; ++i)
      out[i] = dot_in_float<lanes>(in + row(i, width), a, width, rest);
  });
}

STM_VECTOR_CLONES double decoder_slope(std::size_t n, float scale, const float* __restrict y,
                                       const float* __restrict h, float* __restrict d) {
  constexpr std::size_t run = 2048;  // stays in the first-level cache
  double total = 0;
  for (std::size_t first = 0; first < n; first += run) {
    const std::size_t last = std::min(n, first + run);
    total += dot(last - first, y + first, h + first);
    for (std::size_t k = first; k < last; ++k) d[k] = scale * (d[k] - y[k]) * elu_slope(h[k]);
  }
  return total;
}

STM_VECTOR_CLONES void times_elu_slope(std::size_t n, const float* __restrict g,
                                       float* __restrict h) {
  for (std::size_t k = 0; k < n; ++k) h[k] = g[k] * elu_slope(h[k]);
}

STM_VECTOR_CLONES void elu_in_place(std::size_t n, float* h) {
  for (std::size_t k = 0; k < n; ++k) h[k] = elu(h[k]);
}

STM_VECTOR_CLONES void exp_in_place(std::size_t n, float* x) {
  for (std::size_t k = 0; k < n; ++k) x[k] = fast_exp(x[k]);
}

STM_VECTOR_CLONES void attention_scores(std::size_t n, Attention f, float* x) {
  for (std::size_t k = 0; k < n; ++k) x[k] = attention_score(f, x[k]);
}

STM_VECTOR_CLONES void scale(std::size_t n, float factor, const float* __restrict in,
                             float* __restrict out) {
  for (std::size_t k = 0; k < n; ++k) out[k] = factor * in[k];
}

STM_VECTOR_CLONES void add_scaled(int first, int last, const float* scalar,
                                  const float* __restrict a, int width, float* __restrict out) {
  for (int i = first; i < last; ++i) {
    float* to = out + row(i, width);
    const float s = scalar[i];
    for (int k = 0; k < width; ++k) to[k] += s * a[k];
  }
}

void add_weighted_rows(int first, int last, const float* scalar, const float* in, int width,
                       double* sum) {
  with_best_vectors([=](auto lanes) __attribute__((always_inline)) {
    constexpr int step = lanes * chunk;
    int c = 0;
    for (; c + step <= width; c += step) {
      Vector<lanes> part[chunk] = {};
      for (int i = first; i < last; ++i) {
        fetch(in + row(i + rows_ahead, width) + c, step);
        for (int k = 0; k < chunk; ++k)
          part[k] += scalar[i] * vecs<lanes>(in + row(i, width) + c)[k];
      }
      for (int k = 0; k < chunk; ++k)
        for (int l = 0; l < lanes; ++l) sum[c + k * lanes + l] += part[k][l];
    }
    for (int i = first; i < last; ++i)
      for (int k = c; k < width; ++k)
        sum[k] += static_cast<double>(scalar[i]) * in[row(i, width) + k];
  });
}

int tile_width() {
  static const int width =
      with_best_vectors([](auto lanes) __attribute__((always_inline)) { return tile_of(lanes); });
  return width;
}

STM_VECTOR_CLONES void pack_tile(int n_rows, const std::int32_t* index, const float* in, int width,
                                 int first, float* __restrict out) {
  const int tile = tile_width(), n = std::min(width - first, tile);
  for (int i = 0; i < n_rows; ++i) {
    const int ahead = std::min(i + rows_ahead, n_rows - 1);
    fetch(in + row(index == nullptr ? ahead : index[ahead], width) + first, n);
    const float* from = in + row(index == nullptr ? i : index[i], width) + first;
    float* to = out + row(i, tile);
    for (int k = 0; k < n; ++k) to[k] = from[k];
    for (int k = n; k < tile; ++k) to[k] = 0;
  }
}

STM_VECTOR_CLONES void pack_difference(int n_rows, const float* a, float c, const float* b,
                                       int width, int first, float* __restrict out) {
  const int tile = tile_width(), n = std::min(width - first, tile);
  for (int i = 0; i < n_rows; ++i) {
    const std::size_t ahead = row(std::min(i + rows_ahead, n_rows - 1), width) + first;
    fetch(a + ahead, n);
    fetch(b + ahead, n);
    const float* from_a = a + row(i, width) + first;
    const float* from_b = b + row(i, width) + first;
    float* to = out + row(i, tile);
    for (int k = 0; k < n; ++k) to[k] = from_a[k] - c * from_b[k];
    for (int k = n; k < tile; ++k) to[k] = 0;
  }
}

void spmm_tile(int first, int last, const BlockRows& lists, const float* tile, float factor,
               Store store, int n_cols, int width, float* out) {
  with_best_vectors([=](auto lanes) __attribute__((always_inline)) {
    using V = Vector<lanes>;
    constexpr int tile_size = tile_of(lanes), n = vectors_summed, step = lanes * n;
    for (int i = first; i < last; ++i) {
      const std::int64_t begin = lists.start[i], end = lists.start[i + 1];
      for (int c = 0; c < n_cols; c += step) {
        V sum[n] = {};
        for (std::int64_t e = begin; e < end; ++e) {
          const float v = lists.value[e];
          const V* from = vecs<lanes>(tile + row(lists.index[e], tile_size) + c);
          if (lists.prefetch)
            fetch(tile + row(lists.index[e + prefetch_distance], tile_size) + c, step);
          for (int k = 0; k < n; ++k) sum[k] += v * from[k];
        }
        float* to = out + row(i, width) + c;
        float edge[step];  // for columns beyond the last
        float* const whole = c + step <= n_cols ? to : edge;
        if (whole == edge) std::copy(to, to + (n_cols - c), edge);
        for (int k = 0; k < n; ++k)
          vecs<lanes>(whole)[k] =
              store == Store::add ? vecs<lanes>(whole)[k] + factor * sum[k] : factor * sum[k];
        if (whole == edge) std::copy(edge, edge + (n_cols - c), to);
      }
    }
  });
}

STM_VECTOR_CLONES void adam(std::size_t n, const Adam& step, const float* __restrict gradient,
                            float* __restrict first, float* __restrict second,
                            float* __restrict weight) {
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
