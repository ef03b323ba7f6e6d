#pragma once
#include "kernels/buffer.hpp"
#include "model/device_tile.hpp"
#include "model/parameters.hpp"

namespace stamarker {

/// The largest tile that a StepMemory serves.
struct TileExtent {
  int n_own = 0, n_attending = 0, n_spots = 0;
  std::int64_t n_edges = 0;

  void cover(const DeviceTile& tile);
};

/// The activations of one tile at a time, reused from tile to tile and from model to model.
class StepMemory {
 public:
  StepMemory(Backend& backend, const TileExtent& extent, int n_hidden, int n_latent);
  static std::size_t bytes(const TileExtent& extent, int n_hidden, int n_latent);

  /// Fills the tile, the graph and the arrays of a step; weights, gradient and sums are left to
  /// the caller. With `sampled`, the graph of the last draw() stands in for the tile's own.
  StepView step(const DeviceTile& tile, Neighbors neighbors);
  /// Draws one source for each row of the tile's graph, in step epoch[0].
  void draw(Backend& backend, const DeviceTile& tile, RandomKey key,
            DeviceSpan<const std::int32_t> epoch);

 private:
  int n_hidden_, n_latent_;
  Buffer<float> y_, h1_, h3_, d_o3_, z_, d_z_, score_src_, score_dst_, alpha_, d_alpha_;
  Buffer<std::int64_t> one_per_row_;  // 0, 1, 2 ...: row_start of a graph with one source a row
  Buffer<std::int32_t> sampled_source_, sampled_target_;
  Buffer<std::int64_t> sampled_target_start_, sampled_edge_;
};

}  // namespace stamarker
