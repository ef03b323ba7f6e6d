#include "cluster/consensus.hpp"

#include <fmt/core.h>

#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"
#include "base/text.hpp"
#include "cluster/consensus_embedding.hpp"

namespace stamarker {
namespace {

/// The height at which one domain fewer would be left; 0 for one domain.
double height_of_next_join(const Consensus& consensus) {
  const std::vector<double> heights = consensus.heights();
  const auto at = static_cast<std::size_t>(consensus.n_domains) - 1;
  return 0 < at && at <= heights.size() ? heights[heights.size() - at] : 0;
}

}  // namespace

void consensus_stage(RunContext& run) {
  const PreparedData& data = run.tables();
  run.world.on_root([&] {
    const Config& config = run.config;
    const std::vector<std::int32_t> labels = read_labels(run.directory.clusters());
    ConsensusFile found;
    found.consensus = consensus(labels, config.models, config.domains, config.consensus,
                                data.coordinates, data.section);
    found.agreement = mean_agreement(labels, config.models);
    const int n_latent = config.autoencoder.n_latent;
    found.embedding = consensus_embedding(
        data.n_spots(), n_latent, config.models,
        [&](int model, std::int64_t first_spot, std::span<float> rows) {
          read_embedding_rows(run.directory.model(model), first_spot, n_latent, rows);
        });
    write_consensus(run.directory.consensus(), run.fingerprints.of(Stage::consensus), found);
    run.log.info(
        fmt::format("consensus  {} from {}, agreement "
                    "between models {:.3f} (mean adjusted Rand index)",
                    counted(found.consensus.n_domains, "domain"),
                    counted(found.consensus.n_tuples, "distinct label tuple"), found.agreement));
    if (found.consensus.joined_share > 0)
      run.log.warn(
          fmt::format("{:.2f} % of the spots have a label tuple beyond the "
                      "consensus.max_tuples = {} most frequent and joined the nearest, on average "
                      "{:.3g} away (two domains would join at {:.3g})",
                      100 * found.consensus.joined_share, config.consensus.max_tuples,
                      found.consensus.joined_shift, height_of_next_join(found.consensus)));
    if (found.consensus.n_domains < config.domains)
      run.log.warn(fmt::format("{} left of {} after consensus.refine = {}",
                               counted(found.consensus.n_domains, "domain"), config.domains,
                               config.consensus.refine));
  });
}

}  // namespace stamarker
