#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/config/config.hpp"
#include "app/run/fingerprint.hpp"
#include "app/run/log.hpp"
#include "app/run/run_directory.hpp"
#include "comm/comm.hpp"
#include "data/dataset.hpp"
#include "data/input_summary.hpp"
#include "kernels/backend.hpp"

namespace stamarker {

/// Who trains what: the world is n_groups model groups times tile_groups tile ranks; ranks of a
/// group stand side by side.
struct ParallelPlan {
  int n_groups = 1, group = 0;
  int n_tile_ranks = 1, tile_rank = 0;

  /// Throws InputError unless the number of ranks is a multiple of compute.tile_groups.
  ParallelPlan(int rank, int n_ranks, const ComputeOptions& options);
  ParallelPlan() = default;
};

/// compute.tiles, or for `auto` the smallest multiple of compute.tile_groups whose tiles hold at
/// most 50,000 spots, some 0.4 GB of activations at H 512.
int training_tiles(const ComputeOptions& options, int n_spots);

/// compute.models_in_flight, or for `auto` as many as fit into the free bytes of a device that has
/// memory of its own, 8 at most; 1 on a CPU, and where ranks share tiles. One at least, n_models at
/// most. model_bytes: what one model takes.
int models_in_flight(const ComputeOptions& options, std::optional<std::size_t> free,
                     std::size_t model_bytes, int n_models);

/// How many of its n_models classifiers a rank trains at a time on a CPU: one on each thread.
int classifiers_side_by_side(int n_threads, int n_models);

/// A prepared section on its way to prepared.h5.
struct PreparedShare {
  PreparedData tables;   // on rank 0: all but the matrices; elsewhere positions and sections
  InputSummary summary;  // on rank 0
  SparseRows counts;     // of this rank's spots
};

/// What the stages of one run share.
struct RunContext {
  const Comm& world;
  const Config& config;
  const RunDirectory& directory;
  const Fingerprints& fingerprints;
  Log& log;
  Backend& backend;
  std::function<std::unique_ptr<Backend>()> make_stream;  // another backend of the same device
  ParallelPlan plan;
  int n_threads = 1;
  double base_memory = 0;                                    // bytes of a rank before the stages
  std::optional<PreparedShare> prepared = std::nullopt;      // until it is written
  std::vector<std::pair<std::string, double>> seconds = {};  // of each stage computed here
  std::optional<PreparedData> read_tables = std::nullopt;    // of prepared.h5
  std::vector<std::string> warned = {};                      // by warn, on rank 0

  bool is_root() const { return world.rank() == 0; }
  Block my_models() const { return block_of(world.rank(), world.size(), config.models); }
  /// Logs the warnings that it has not logged yet.
  void warn(const std::vector<std::string>& warnings);
  /// Of prepared.h5 all but the matrices, read once. Collective.
  const PreparedData& tables();
  /// Throws Interrupted on all ranks when any was asked to end. Collective.
  void stop_if_interrupted() const;
};

}  // namespace stamarker
