#include "cluster/consensus.hpp"

#include <fmt/core.h>

#include "app/run/stage_files.hpp"
#include "app/run/warnings.hpp"
#include "app/stages/stages.hpp"
#include "base/text.hpp"
#include "cluster/consensus_embedding.hpp"

namespace stamarker {

void consensus_stage(RunContext& run) {
  const PreparedData& data = run.tables();
  run.world.on_root([&] {
    const Config& config = run.config;
    const std::vector<std::int32_t> labels =
        read_labels(run.directory.clusters(), config.models, data.n_spots());
    ConsensusFile found;
    found.consensus = consensus(labels, config.models, config.domains, config.consensus,
                                data.coordinates, data.section);
    found.agreement = mean_agreement(labels, config.models);
    const int n_latent = config.autoencoder.n_latent;
    found.embedding =
        consensus_embedding(data.n_spots(), n_latent, config.models,
                            [&](int model, std::int64_t first_spot, std::span<float> rows) {
                              read_embedding_rows(run.directory.model(model), data.n_spots(),
                                                  n_latent, first_spot, rows);
                            });
    write_consensus(run.directory.consensus(), run.fingerprints.of(Stage::consensus), found);
    run.log.info(
        fmt::format("consensus  {} from {}, agreement "
                    "between models {:.3f} (mean adjusted Rand index)",
                    counted(found.consensus.n_domains, "domain"),
                    counted(found.consensus.n_tuples, "distinct label tuple"), found.agreement));
    run.warn(warnings_of_consensus(found, config));
  });
}

}  // namespace stamarker
