#include "model/step_memory.hpp"

#include <algorithm>
#include <numeric>

namespace stamarker {
namespace {

std::vector<std::int64_t> counting(int n) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

std::size_t area(int rows, int cols) { return static_cast<std::size_t>(rows) * cols; }

}  // namespace

void TileExtent::cover(const DeviceTile& tile) {
  const TileView view = tile.view();
  n_own = std::max(n_own, view.n_own);
  n_attending = std::max(n_attending, view.n_attending);
  n_spots = std::max(n_spots, view.n_spots);
  n_edges = std::max(n_edges, tile.n_edges());
}

StepMemory::StepMemory(Backend& backend, const TileExtent& extent, int n_hidden, int n_latent)
    : n_hidden_(n_hidden),
      n_latent_(n_latent),
      y_(backend, area(extent.n_spots, n_hidden)),
      h1_(backend, area(extent.n_attending, n_hidden)),
      h3_(backend, area(extent.n_own, n_hidden)),
      d_o3_(backend, area(extent.n_own, n_hidden)),
      z_(backend, area(extent.n_attending, n_latent)),
      d_z_(backend, area(extent.n_attending, n_latent)),
      score_src_(backend, area(extent.n_spots, 1)),
      score_dst_(backend, area(extent.n_attending, 1)),
      alpha_(backend, static_cast<std::size_t>(extent.n_edges)),
      d_alpha_(backend, static_cast<std::size_t>(extent.n_edges)),
      one_per_row_(backend, std::span<const std::int64_t>(counting(extent.n_attending + 1))),
      sampled_source_(backend, area(extent.n_attending, 1)),
      sampled_target_(backend, area(extent.n_attending, 1)),
      sampled_target_start_(backend, area(extent.n_spots + 1, 1)),
      sampled_edge_(backend, area(extent.n_attending, 1)) {}

std::size_t StepMemory::bytes(const TileExtent& extent, int n_hidden, int n_latent) {
  const std::size_t of_spot = area(n_hidden + 1, 4) + 8;  // Y, s; the sampled graph's start
  const std::size_t of_attending = area(n_hidden + 2 * n_latent + 1, 4) + 24;
  const std::size_t of_own = area(2 * n_hidden, 4);
  const std::size_t of_edge = 8;
  return of_spot * extent.n_spots + of_attending * extent.n_attending + of_own * extent.n_own +
         of_edge * static_cast<std::size_t>(extent.n_edges);
}

StepView StepMemory::step(const DeviceTile& tile, Neighbors neighbors) {
  StepView step;
  step.tile = tile.view();
  step.single_source = neighbors == Neighbors::one;
  const TileView& t = step.tile;
  step.graph = t.graph;
  if (step.single_source) {
    step.graph = {t.n_attending,
                  t.n_spots,
                  one_per_row_.span(),
                  sampled_source_.span(),
                  sampled_target_start_.span(),
                  sampled_target_.span(),
                  sampled_edge_.span()};
  }
  step.y = y_.matrix(t.n_spots, n_hidden_);
  step.score_src = score_src_.span();
  step.score_dst = score_dst_.span();
  step.alpha = alpha_.span();
  step.d_alpha = d_alpha_.span();
  step.h1 = h1_.matrix(t.n_attending, n_hidden_);
  step.z = z_.matrix(t.n_attending, n_latent_);
  step.d_z = d_z_.matrix(t.n_attending, n_latent_);
  step.h3 = h3_.matrix(t.n_own, n_hidden_);
  step.d_o3 = d_o3_.matrix(t.n_own, n_hidden_);
  return step;
}

void StepMemory::draw(Backend& backend, const DeviceTile& tile, RandomKey key,
                      DeviceSpan<const std::int32_t> epoch) {
  const TileView view = tile.view();
  backend.sample_neighbors(view.graph, view.spot, key, epoch, sampled_source_.span(),
                           sampled_target_start_.span(), sampled_target_.span(),
                           sampled_edge_.span());
}

}  // namespace stamarker
