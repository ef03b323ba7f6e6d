#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/dataset.hpp"
#include "data/expression_rows.hpp"
#include "kernels/backend.hpp"
#include "model/options.hpp"
#include "model/parameters.hpp"
#include "model/tile_tree.hpp"

namespace stamarker {

/// Joins what the ranks hold that share the tiles of one section. The default is a section on one
/// rank, whose single part is the whole. Every call is collective over those ranks; results are the
/// same bits on all of them.
class TileReduction {
 public:
  virtual ~TileReduction() = default;
  /// Acquires what sums over `tree` of rows of up to n_bytes take, so that sum() acquires no more.
  /// Not collective, so that a rank's failure is its own.
  virtual void reserve(const TileTree& tree, std::size_t n_bytes) { (void)tree, (void)n_bytes; }
  /// parts: a row for each of this rank's parts of the tree. Row 0 becomes the sum of the parts of
  /// all ranks, added as tree.additions() says; the other rows are left undefined. `stream` has
  /// enqueued what writes the parts, and enqueues what reads the sum.
  virtual void sum(Backend& stream, const TileTree& tree, DeviceMatrix<float> parts) {
    (void)stream, (void)tree, (void)parts;
  }
  virtual void sum(Backend& stream, const TileTree& tree, DeviceMatrix<double> parts) {
    (void)stream, (void)tree, (void)parts;
  }
  /// In host memory: every element is given by one rank and 0 on the others.
  virtual void fill(std::span<float> values) { (void)values; }
};

/// The part of a section that this rank trains on, cut into tiles and uploaded once for all models.
class TrainingSection {
 public:
  /// Of `n_tiles` tiles of the whole section this rank gets those of its block in
  /// TileTree(n_tiles, n_tile_ranks); no other rows of `expression` are read. Of `data` the graph
  /// and the coordinates are looked at. Not collective, so that a rank's failure is its own.
  TrainingSection(Backend& backend, const PreparedData& data, const ExpressionRows& expression,
                  int n_tiles, int tile_rank, int n_tile_ranks);
  /// A section in memory, on this rank alone.
  TrainingSection(Backend& backend, const PreparedData& data, int n_tiles);
  ~TrainingSection();
  TrainingSection(TrainingSection&&) noexcept;
  TrainingSection& operator=(TrainingSection&&) = delete;

  /// Adds up over the tile ranks what every loss needs: |X|^2. Before any training. Collective.
  void add_up(TileReduction& reduction);

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

/// Trains one auto-encoder (docs/method.md: train). STAGATE: Dong and Zhang 2022; the update rules
/// of profile `reference`: zhanglabtools/STAMarker, stamarker/modules.py and pipeline.py.
///
/// enqueue() only enqueues, wait() waits: so several trainers, each with a stream of its own,
/// advance side by side on one device.
class Trainer {
 public:
  /// Works on `stream`, which is of the device of the section's backend. `seed` and `model` fix
  /// every random number. All that is passed by reference outlives the trainer.
  Trainer(Backend& stream, const TrainingSection& section, const AutoencoderOptions& options,
          std::uint32_t seed, int model, TileReduction& reduction);
  ~Trainer();
  /// Memory of the stream's device that a trainer takes, in bytes.
  static std::size_t bytes(const TrainingSection& section, const AutoencoderOptions& options);
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// Enqueues the next n steps, or as many as are left of options.epochs.
  void enqueue(int n);
  /// Waits for them, and reads their losses.
  void wait();
  bool is_done() const { return epoch() == n_epochs(); }
  int epoch() const;  // steps done and enqueued
  int n_epochs() const;
  /// Of each step waited for, before its update.
  const std::vector<double>& loss() const;

  const ParameterLayout& layout() const;
  /// After the steps enqueued so far.
  TrainerState state();
  void restore(const TrainerState& state);

  /// Z [n_spots of the whole section, n_latent] on the whole graph. Rows of spots that other tile
  /// ranks own are filled by the reduction. Collective over the tile ranks.
  std::vector<float> embedding();

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

}  // namespace stamarker
