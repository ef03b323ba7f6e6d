#include <fmt/format.h>

#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"
#include "base/error.hpp"
#include "data/preprocess.hpp"
#include "data/spatial_graph.hpp"
#include "io/read_input.hpp"

namespace stamarker {
namespace {

/// Rules between the configuration and the data, so that no hour of training comes before them.
void check_against_data(const Config& config, const PreparedData& data) {
  const auto refuse_above_spots = [&](const char* key, int value) {
    if (value > data.n_spots())
      throw InputError(fmt::format("{} = {} (more than the {} spots left after preparation)", key,
                                   value, data.n_spots()));
  };
  refuse_above_spots("domains", config.domains);
  refuse_above_spots("clustering.n_components", config.clustering.n_components);
  refuse_above_spots("compute.tiles", config.compute.tiles);
  if (config.clustering.method != ClusterMethod::mclust)
    refuse_above_spots("clustering.n_neighbors", config.clustering.n_neighbors);
}

void describe(const Config& config, const Dataset& input, const PreparedData& data, Log& log) {
  const double n_entries = static_cast<double>(data.expression.n_entries());
  log.info(fmt::format(
      "input      {}: {} spots x {} genes{}", config.input.path, input.n_spots(), input.n_genes(),
      input.section_names.size() > 1 ? fmt::format(" in {} sections", input.section_names.size())
                                     : ""));
  log.info(fmt::format("prepared   {} spots x {} genes, {:.1f} % non-zero", data.n_spots(),
                       data.n_genes(), 100 * n_entries / data.n_spots() / data.n_genes()));
  const GraphSummary graph = summary_of(data.graph);
  log.info(fmt::format("graph      {}: {:.1f} neighbours a spot ({} to {}), {} spots alone",
                       data.radius > 0 ? fmt::format("radius {:.6g}", data.radius)
                                       : fmt::format("{} nearest", *config.prepare.k_cutoff),
                       graph.mean, graph.min, graph.max, graph.n_isolated));
  if (data.n_genes() < config.prepare.n_top_genes)
    log.info(
        fmt::format("           all {} genes are used: fewer are left than "
                    "prepare.n_top_genes = {}",
                    data.n_genes(), config.prepare.n_top_genes));
}

}  // namespace

PreparedData prepare_input(const Config& config, Log& log) {
  const Dataset input = read_input(config.input);
  check_counts(input, config.input.path + ": " + config.input.layer);
  PreparedData data = prepare(input, config.prepare);
  check_against_data(config, data);
  describe(config, input, data, log);
  return data;
}

void write_prepare_stage(RunContext& run) {
  run.world.on_root([&] {
    if (!run.prepared) return;  // was there already
    write_prepared(run.directory.prepared(), run.fingerprints.of(Stage::prepare), *run.prepared);
    run.prepared->counts = {};  // the result's writer reads them again
  });
}

}  // namespace stamarker
