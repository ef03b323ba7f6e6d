#include <fmt/format.h>

#include <algorithm>

#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"
#include "cluster/clustering.hpp"

namespace stamarker {

void cluster_stage(RunContext& run) {
  const Config& config = run.config;
  std::vector<std::int32_t> mine;  // [my models, N]
  run.world.together([&] {
    Progress progress(run.log, "cluster", run.my_models().size());
    for (int m = run.my_models().begin; m < run.my_models().end; ++m) {
      const std::vector<float> embedding = read_model_embedding(run.directory.model(m));
      const std::vector<std::int32_t> labels =
          cluster(embedding, config.autoencoder.n_latent, config.clustering, config.seed, m,
                  config.domains);
      mine.insert(mine.end(), labels.begin(), labels.end());
      progress.at(m + 1 - run.my_models().begin, [&] { return fmt::format("model {}", m); });
    }
  });
  const std::vector<std::int32_t> labels =
      run.world.all_gather(std::span<const std::int32_t>(mine));
  run.world.on_root([&] {
    write_labels(run.directory.clusters(), run.fingerprints.of(Stage::cluster), config.models,
                 labels);
  });
}

}  // namespace stamarker
