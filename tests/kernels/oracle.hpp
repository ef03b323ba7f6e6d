#pragma once
#include <vector>

#include "data/tiles.hpp"
#include "kernels/functions.hpp"

namespace stamarker::test {

/// A dense matrix in double precision with the three products that equations are written with.
struct Dense {
  int n_rows = 0, n_cols = 0;
  std::vector<double> value;

  Dense() = default;
  Dense(int rows, int cols) : n_rows(rows), n_cols(cols), value(std::size_t(rows) * cols) {}
  double& operator()(int r, int c) { return value[std::size_t(r) * n_cols + c]; }
  double operator()(int r, int c) const { return value[std::size_t(r) * n_cols + c]; }
};
Dense times(const Dense& a, const Dense& b);
Dense transpose(const Dense& a);
double inner(const Dense& a, const Dense& b);

/// One training step of one tile as in docs/method.md: train, but with X - Xhat formed, no max
/// shift, no fusion and no reuse of memory. Parts of the gradient stand apart.
struct StepOracle {
  explicit StepOracle(const Tile& of) : tile(of) {}

  // Input.
  const Tile& tile;
  Dense x, w1, w2;                   // [n_spots, G], [G, H], [H, L]
  std::vector<double> a_src, a_dst;  // [H]
  Attention attention = Attention::leaky_relu;
  double scale = 0;  // 2 / (N G)

  // Output.
  Dense y, h1, z, q, h3;  // rows: n_spots, n_attending, n_attending, n_attending, n_own
  std::vector<double> s, d, alpha;
  double loss_without_scale = 0;  // |X - Xhat|^2 over own spots
  Dense encoder_w1, decoder_w1, encoder_w2, decoder_w2;
  std::vector<double> d_a_src, d_a_dst;
  Dense d_y;  // [n_spots, H]

  void run();
};

}  // namespace stamarker::test
