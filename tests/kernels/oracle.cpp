#include "kernels/oracle.hpp"

#include <cmath>

namespace stamarker::test {
namespace {

double phi(Attention f, double x) {
  return f == Attention::sigmoid ? 1 / (1 + std::exp(-x)) : x > 0 ? x : 0.2 * x;
}
double phi_slope(Attention f, double x) {
  return f == Attention::sigmoid ? phi(f, x) * (1 - phi(f, x)) : x > 0 ? 1 : 0.2;
}
double elu_of(double x) { return x > 0 ? x : std::expm1(x); }
double elu_slope_at(double x) { return x > 0 ? 1 : std::exp(x); }

double row_dot(const Dense& a, int i, const Dense& b, int j) {
  double total = 0;
  for (int k = 0; k < a.n_cols; ++k) total += a(i, k) * b(j, k);
  return total;
}
double row_dot(const Dense& a, int i, const std::vector<double>& b) {
  double total = 0;
  for (int k = 0; k < a.n_cols; ++k) total += a(i, k) * b[k];
  return total;
}

/// alpha B for the first n_rows rows of the tile's graph.
Dense aggregate(const Tile& tile, const std::vector<double>& alpha, const Dense& b, int n_rows) {
  Dense out(n_rows, b.n_cols);
  for (int i = 0; i < n_rows; ++i)
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e)
      for (int k = 0; k < b.n_cols; ++k) out(i, k) += alpha[e] * b(tile.source[e], k);
  return out;
}
/// alpha^T B, rows of B being the first rows of the tile's graph.
Dense aggregate_back(const Tile& tile, const std::vector<double>& alpha, const Dense& b,
                     int n_sources) {
  Dense out(n_sources, b.n_cols);
  for (int i = 0; i < b.n_rows; ++i)
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e)
      for (int k = 0; k < b.n_cols; ++k) out(tile.source[e], k) += alpha[e] * b(i, k);
  return out;
}
Dense apply(const Dense& a, double (*f)(double)) {
  Dense out = a;
  for (double& v : out.value) v = f(v);
  return out;
}
Dense multiply_elements(const Dense& a, const Dense& b) {
  Dense out = a;
  for (std::size_t k = 0; k < out.value.size(); ++k) out.value[k] *= b.value[k];
  return out;
}

}  // namespace

Dense times(const Dense& a, const Dense& b) {
  Dense out(a.n_rows, b.n_cols);
  for (int i = 0; i < a.n_rows; ++i)
    for (int k = 0; k < a.n_cols; ++k)
      for (int j = 0; j < b.n_cols; ++j) out(i, j) += a(i, k) * b(k, j);
  return out;
}
Dense transpose(const Dense& a) {
  Dense out(a.n_cols, a.n_rows);
  for (int i = 0; i < a.n_rows; ++i)
    for (int j = 0; j < a.n_cols; ++j) out(j, i) = a(i, j);
  return out;
}
double inner(const Dense& a, const Dense& b) {
  double total = 0;
  for (std::size_t k = 0; k < a.value.size(); ++k) total += a.value[k] * b.value[k];
  return total;
}

void StepOracle::run() {
  const int n_rows = tile.n_attending, n_spots = tile.n_spots();
  // Forward.
  y = times(x, w1);
  for (int j = 0; j < n_spots; ++j) s.push_back(row_dot(y, j, a_src));
  for (int i = 0; i < n_rows; ++i) d.push_back(row_dot(y, i, a_dst));
  alpha.resize(tile.source.size());
  for (int i = 0; i < n_rows; ++i) {
    double total = 0;
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e)
      total += alpha[e] = std::exp(phi(attention, s[tile.source[e]] + d[i]));
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e) alpha[e] /= total;
  }
  const Dense o1 = aggregate(tile, alpha, y, n_rows);
  h1 = apply(o1, elu_of);
  z = times(h1, w2);
  q = times(z, transpose(w2));
  const Dense o3 = aggregate(tile, alpha, q, tile.n_own);
  h3 = apply(o3, elu_of);

  // Backward through Xhat = H3 W1^T as automatic differentiation would do it.
  Dense residual = times(h3, transpose(w1));
  for (int i = 0; i < tile.n_own; ++i)
    for (int g = 0; g < x.n_cols; ++g) residual(i, g) -= x(i, g);
  loss_without_scale = inner(residual, residual);
  for (double& v : residual.value) v *= scale;
  decoder_w1 = times(transpose(residual), h3);
  const Dense d_o3 = multiply_elements(times(residual, w1), apply(o3, elu_slope_at));
  const Dense d_q = aggregate_back(tile, alpha, d_o3, n_rows);
  std::vector<double> d_alpha(alpha.size());
  for (int i = 0; i < tile.n_own; ++i)
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e)
      d_alpha[e] += row_dot(d_o3, i, q, tile.source[e]);
  const Dense d_z = times(d_q, w2);
  decoder_w2 = times(transpose(d_q), z);
  encoder_w2 = times(transpose(h1), d_z);
  const Dense d_o1 = multiply_elements(times(d_z, transpose(w2)), apply(o1, elu_slope_at));
  for (int i = 0; i < n_rows; ++i)
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e)
      d_alpha[e] += row_dot(d_o1, i, y, tile.source[e]);

  std::vector<double> ds(n_spots), dd(n_rows);
  for (int i = 0; i < n_rows; ++i) {
    double mean = 0;
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e) mean += alpha[e] * d_alpha[e];
    for (auto e = tile.row_start[i]; e < tile.row_start[i + 1]; ++e) {
      const double score = s[tile.source[e]] + d[i];
      const double g = alpha[e] * (d_alpha[e] - mean) * phi_slope(attention, score);
      ds[tile.source[e]] += g;
      dd[i] += g;
    }
  }
  d_a_src.resize(w1.n_cols);
  d_a_dst.resize(w1.n_cols);
  d_y = aggregate_back(tile, alpha, d_o1, n_spots);
  for (int j = 0; j < n_spots; ++j) {
    for (int k = 0; k < w1.n_cols; ++k) {
      d_a_src[k] += y(j, k) * ds[j];
      d_y(j, k) += ds[j] * a_src[k];
      if (j >= n_rows) continue;
      d_a_dst[k] += y(j, k) * dd[j];
      d_y(j, k) += dd[j] * a_dst[k];
    }
  }
  encoder_w1 = times(transpose(x), d_y);
}

}  // namespace stamarker::test
