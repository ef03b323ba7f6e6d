#include "app/run/run_context.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "app/run/interruption.hpp"
#include "app/run/stage_files.hpp"
#include "base/error.hpp"

namespace stamarker {

ParallelPlan::ParallelPlan(int rank, int n_ranks, const ComputeOptions& options) {
  if (n_ranks % options.tile_groups != 0)
    throw InputError(
        fmt::format("compute.tile_groups = {} (the number of ranks, {}, must be a multiple of it)",
                    options.tile_groups, n_ranks));
  n_tile_ranks = options.tile_groups;
  n_groups = n_ranks / n_tile_ranks;
  group = rank / n_tile_ranks;
  tile_rank = rank % n_tile_ranks;
}

int training_tiles(const ComputeOptions& options, int n_spots) {
  constexpr int most_spots = 50'000;
  if (options.tiles > 0) return options.tiles;
  const int fewest = (n_spots + most_spots - 1) / most_spots;
  return (fewest + options.tile_groups - 1) / options.tile_groups * options.tile_groups;
}

int models_in_flight(const ComputeOptions& options, std::optional<std::size_t> free,
                     std::size_t model_bytes, int n_models) {
  if (options.models_in_flight > 0) return std::min(options.models_in_flight, n_models);
  constexpr std::size_t most = 8;
  if (!free || options.tile_groups > 1) return 1;
  const std::size_t usable = *free / 10 * 9;  // the rest for the libraries' own workspaces
  const auto n = static_cast<int>(std::clamp<std::size_t>(usable / model_bytes, 1, most));
  return std::min(n, n_models);
}

int classifiers_side_by_side(int n_threads, int n_models) {
  return std::max(1, std::min(n_threads, n_models));
}

void RunContext::warn(const std::vector<std::string>& warnings) {
  for (const std::string& line : warnings) {
    if (std::ranges::find(warned, line) != warned.end()) continue;
    log.warn(line);
    warned.push_back(line);
  }
}

const PreparedData& RunContext::tables() {
  world.together([&] {
    if (!read_tables) read_tables = read_prepared(directory.prepared());
  });
  return *read_tables;
}

void RunContext::stop_if_interrupted() const {
  if (world.max(is_interrupted() ? 1 : 0) == 1) throw Interrupted();
}

}  // namespace stamarker
