#include <fmt/core.h>

#include "app/run/run_context.hpp"
#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "data/select_counts.hpp"
#include "data/spatial_graph.hpp"
#include "io/input_counts.hpp"

namespace stamarker {
namespace {

/// All ranks of the run, each searching for its spots.
class AllRanks : public SearchRanks {
 public:
  explicit AllRanks(const Comm& comm) : comm_(comm) {}
  int rank() const override { return comm_.rank(); }
  int n_ranks() const override { return comm_.size(); }
  std::vector<std::int32_t> on_first(std::vector<std::int32_t> mine) const override {
    return comm_.gather(std::span<const std::int32_t>(mine));
  }
  std::vector<double> on_first(std::vector<double> mine) const override {
    return comm_.gather(std::span<const double>(mine));
  }
  double of_first(double value) const override {
    comm_.broadcast(std::span<double>(&value, 1));
    return value;
  }

 private:
  const Comm& comm_;
};

/// Graph and radius of the tables on rank 0, searched by all ranks, who get its positions.
void connect(const Comm& world, const PrepareOptions& options, PreparedData& tables) {
  std::int64_t size[] = {tables.coordinates.n_dims, tables.coordinates.n_spots()};
  world.broadcast(std::span<std::int64_t>(size));
  Coordinates& coordinates = tables.coordinates;
  coordinates.n_dims = static_cast<int>(size[0]);
  coordinates.values.resize(static_cast<std::size_t>(size[0] * size[1]));
  tables.section.resize(static_cast<std::size_t>(size[1]));
  world.broadcast(std::span<double>(coordinates.values));
  world.broadcast(std::span<std::int32_t>(tables.section));
  ConnectedSpots connected = connect_spots(coordinates, tables.section, options, AllRanks(world));
  tables.graph = std::move(connected.graph);
  tables.radius = connected.radius;
}

void describe(const Config& config, const InputCounts& input, const PreparedData& data,
              std::int64_t n_entries, Log& log) {
  const int n_sections = input.n_sections();
  log.info(fmt::format("input      {}: {} x {}{}", config.input.path,
                       counted(input.n_spots(), "spot"), counted(input.n_genes(), "gene"),
                       n_sections > 1 ? " in " + counted(n_sections, "section") : ""));
  log.info("positions  " + input.positions());
  for (const std::string& warning : input.warnings()) log.warn(warning);
  log.info(fmt::format("prepared   {} x {}, {:.1f} % non-zero", counted(data.n_spots(), "spot"),
                       counted(data.n_genes(), "gene"),
                       100 * static_cast<double>(n_entries) / data.n_spots() / data.n_genes()));
  const GraphSummary graph = summary_of(data.graph);
  log.info(fmt::format("graph      {}: {:.1f} neighbors a spot ({} to {}), {} isolated",
                       data.radius > 0 ? fmt::format("radius {:.6g}", data.radius)
                                       : fmt::format("{} nearest", *config.prepare.k_cutoff),
                       graph.mean, graph.min, graph.max, counted(graph.n_isolated, "spot")));
  if (data.n_genes() < config.prepare.n_top_genes)
    log.info(
        fmt::format("           {} used, all that are left: fewer than "
                    "prepare.n_top_genes = {}",
                    counted(data.n_genes(), "gene"), config.prepare.n_top_genes));
}

}  // namespace

void check_against_spots(const Config& config, std::int64_t n_spots, const std::string& which) {
  const auto refuse_above_spots = [&](const char* key, int value) {
    if (value > n_spots)
      throw InputError(fmt::format("{} = {} (more than the {} {})", key, value,
                                   counted(n_spots, "spot"), which));
  };
  refuse_above_spots("domains", config.domains);
  refuse_above_spots("clustering.n_components", config.clustering.n_components);
  refuse_above_spots("compute.tiles", config.compute.tiles);
  if (config.clustering.method != ClusterMethod::mclust)
    return refuse_above_spots("clustering.n_neighbors", config.clustering.n_neighbors);
  const int given = config.clustering.n_components, n_latent = config.autoencoder.n_latent;
  const std::int64_t n_components = given > 0 ? given : config.domains;
  if (n_spots <= n_components + n_latent)
    throw InputError(
        fmt::format("{} = {} (mclust on {} needs more than {}, there are {} {}; ask for fewer, a "
                    "smaller autoencoder.hidden_dims or clustering.method = leiden)",
                    given > 0 ? "clustering.n_components" : "domains", n_components,
                    counted(n_latent, "latent dimension"), counted(n_components + n_latent, "spot"),
                    n_spots, which));
}

void prepare_input(RunContext& run) {
  const Config& config = run.config;
  InputCounts input(run.world, config.input);
  SelectedCounts selected = select_counts(input, config.prepare);
  std::vector<std::int32_t> kept_spots =
      run.world.all_gather(std::span<const std::int32_t>(selected.kept_spots));
  const std::int64_t n_entries = run.world.sum(selected.counts.n_entries());
  PreparedShare share;
  run.world.on_root([&] {
    share.tables = describe_selected(input.tables(), std::move(kept_spots), selected);
    check_against_spots(config, share.tables.n_spots(), "left after preparation");
  });
  connect(run.world, config.prepare, share.tables);
  run.world.on_root([&] { describe(config, input, share.tables, n_entries, run.log); });
  share.counts = std::move(selected.counts);
  run.prepared = std::move(share);
}

void write_prepare_stage(RunContext& run) {
  if (!run.prepared) return;  // was there already
  write_prepared(run.world, run.directory.prepared(), run.fingerprints, run.prepared->tables,
                 run.prepared->counts, run.config.prepare.target_sum);
  run.prepared.reset();
}

}  // namespace stamarker
