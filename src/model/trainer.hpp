#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "data/dataset.hpp"
#include "kernels/backend.hpp"
#include "model/options.hpp"

namespace stamarker {

/// Sums over the ranks that share the tiles of one section. The default is a section on one rank.
/// Every call is collective over those ranks; results are the same bits on all of them.
class TileReduction {
 public:
  virtual ~TileReduction() = default;
  virtual void sum(DeviceSpan<float> values) { (void)values; }
  virtual void sum(std::span<double> values) { (void)values; }
};

/// The part of a section that this rank trains on, cut into tiles and uploaded once for all models.
class TrainingSection {
 public:
  /// Of `n_tiles` tiles of the whole section this rank gets those of its block among
  /// `n_tile_ranks`. n_tiles is a multiple of n_tile_ranks.
  TrainingSection(Backend& backend, const PreparedData& data, int n_tiles, int tile_rank = 0,
                  int n_tile_ranks = 1);
  ~TrainingSection();
  TrainingSection(TrainingSection&&) noexcept;
  TrainingSection& operator=(TrainingSection&&) = delete;

  struct Content;
  const Content& content() const { return *content_; }

 private:
  std::unique_ptr<Content> content_;
};

/// Everything that training continues from; the content of a checkpoint.
struct TrainerState {
  int epoch = 0;                      // steps done
  std::vector<float> parameters;      // [W1 | W2 | a_src | a_dst], see parameters.hpp
  std::vector<float> moments;         // Adam's first and second moments, see parameters.hpp
  std::vector<double> loss;           // [epoch], of each step before its update
  std::vector<double> gradient_norm;  // [epoch], before clipping
};

/// Trains one auto-encoder (design: section 3). STAGATE: Dong and Zhang 2022; the update rules of
/// profile `reference`: zhanglabtools/STAMarker, stamarker/modules.py and pipeline.py.
class Trainer {
 public:
  /// `seed` and `model` fix every random number. `reduction` outlives the trainer.
  Trainer(const TrainingSection& section, const AutoencoderOptions& options, std::uint32_t seed,
          int model, TileReduction& reduction);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Steps until options.epochs are done, or until `after_epoch(epochs done, loss)` says false.
  /// True when all epochs are done.
  bool run(const std::function<bool(int, double)>& after_epoch);

  TrainerState state() const;
  void restore(const TrainerState& state);

  /// Z [n_spots of the whole section, n_latent] on the whole graph. Rows of spots that other tile
  /// ranks own are filled by the reduction. Collective over the tile ranks.
  std::vector<float> embedding();

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

}  // namespace stamarker
