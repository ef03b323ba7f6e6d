#include <fmt/core.h>

#include <algorithm>

#include "app/run/run_context.hpp"
#include "app/run/stage_files.hpp"
#include "app/run/warnings.hpp"
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
  std::vector<double> of_first(std::vector<double> values) const override {
    comm_.broadcast(std::span<double>(values));
    return values;
  }

 private:
  const Comm& comm_;
};

/// Graph and radii of the tables on rank 0, searched by all ranks, who get its positions.
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
  tables.radius = std::move(connected.radius);
  tables.radius.resize(std::max(tables.radius.size(), tables.section_names.size()), 0);
  tables.n_nearest = connected.n_nearest;
}

/// How the spots of sections with these radii choose their neighbors: "radius 60 to 126".
std::string reach_text(const std::vector<double>& radius, int n_nearest) {
  std::vector<double> known = radius;
  const bool has_nearest = std::erase(known, 0) > 0 && n_nearest > 0;
  std::string text;
  if (!known.empty()) {
    const auto [least, most] = std::ranges::minmax(known);
    text = least == most ? fmt::format("radius {:.6g}", least)
                         : fmt::format("radius {:.6g} to {:.6g}", least, most);
  }
  if (has_nearest) text += fmt::format("{}{} nearest", text.empty() ? "" : " or ", n_nearest);
  return text;
}

std::string neighbors_text(const GraphSummary& graph) {
  return fmt::format("{:.1f} neighbors a spot ({} to {}), {} isolated", graph.mean, graph.min,
                     graph.max, graph.n_isolated);
}

/// What preparation left out, by key.
std::string dropped_text(const PrepareOptions& options, const InputSummary& input,
                         int n_kept_spots) {
  std::string text = fmt::format(
      "{} of {} genes (prepare.min_cells = {}), {} of {} spots "
      "(prepare.min_counts = {})",
      input.n_genes - input.n_kept_genes, input.n_genes, options.min_cells,
      input.n_spots - n_kept_spots, input.n_spots, options.min_counts);
  if (input.n_other_features > 0)
    text += fmt::format(", {} features other than Gene Expression", input.n_other_features);
  return text;
}

void describe_graph(const PrepareOptions& options, const PreparedData& data, Log& log) {
  const bool is_uneven = !options.k_cutoff && data.n_nearest > 0;
  log.info(fmt::format("graph      {}: {}{}", reach_text(data.radius, data.n_nearest),
                       neighbors_text(summary_of(data.graph)),
                       is_uneven ? " (nearest where no radius fits the uneven density)" : ""));
  const std::size_t n_sections = data.section_names.size();
  if (n_sections > 1) {
    const auto sections = summaries_of(data.graph, data.section, static_cast<int>(n_sections));
    for (std::size_t s = 0; s < n_sections; ++s)
      log.file_only(fmt::format("           section '{}': {}: {}", readable(data.section_names[s]),
                                reach_text({data.radius[s]}, data.n_nearest),
                                neighbors_text(sections[s])));
  }
}

void describe(const Config& config, const InputCounts& input, const PreparedShare& share,
              std::int64_t n_entries, Log& log) {
  const PreparedData& data = share.tables;
  const int n_sections = input.n_sections();
  log.info(fmt::format("input      {}: {} x {}{}", config.input.path,
                       counted(input.n_spots(), "spot"), counted(input.n_genes(), "gene"),
                       n_sections > 1 ? " in " + counted(n_sections, "section") : ""));
  log.info("positions  " + input.positions());
  log.info("dropped    " + dropped_text(config.prepare, share.summary, data.n_spots()));
  log.info(fmt::format("prepared   {} x {}, {:.1f} % non-zero", counted(data.n_spots(), "spot"),
                       counted(data.n_genes(), "gene"),
                       100 * static_cast<double>(n_entries) / data.n_spots() / data.n_genes()));
  describe_graph(config.prepare, data, log);
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
  if (n_entries == 0)  // on all ranks alike
    throw InputError(
        fmt::format("{}: all counts of the selected genes are 0; check input.layer = {}",
                    config.input.path, config.input.layer));
  PreparedShare share;
  run.world.on_root([&] {
    share.tables = describe_selected(input.tables(), std::move(kept_spots), selected);
    share.summary = input.summary();
    share.summary.n_seen_genes = selected.n_seen_genes;
    share.summary.n_kept_genes = static_cast<std::int64_t>(selected.kept_genes.size());
    check_against_spots(config, share.tables.n_spots(), "left after preparation");
  });
  connect(run.world, config.prepare, share.tables);
  run.world.on_root([&] {
    describe(config, input, share, n_entries, run.log);
    run.warn(warnings_of_prepare(share.tables, share.summary, config.prepare));
  });
  share.counts = std::move(selected.counts);
  run.prepared = std::move(share);
}

void write_prepare_stage(RunContext& run) {
  if (!run.prepared) return;  // was there already
  write_prepared(run.world, run.directory.prepared(), run.fingerprints, run.prepared->tables,
                 run.prepared->summary, run.prepared->counts, run.config.prepare.target_sum);
  run.prepared.reset();
}

}  // namespace stamarker
