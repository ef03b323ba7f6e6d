#include <fmt/format.h>

#include <algorithm>

#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"
#include "cluster/clustering.hpp"

namespace stamarker {

void cluster_stage(RunContext& run) {
  const Config& config = run.config;
  std::vector<std::int32_t> mine;  // [my models, N]
  std::vector<double> my_recall;   // [my models]
  run.world.together([&] {
    Progress progress(run.log, "cluster", run.my_models().size());
    for (int m = run.my_models().begin; m < run.my_models().end; ++m) {
      const std::vector<float> embedding = read_model_embedding(run.directory.model(m));
      const Clusters clusters = cluster(embedding, config.autoencoder.n_latent, config.clustering,
                                        config.seed, m, config.domains);
      mine.insert(mine.end(), clusters.labels.begin(), clusters.labels.end());
      my_recall.push_back(clusters.recall);
      progress.at(m + 1 - run.my_models().begin, [&] { return fmt::format("model {}", m); });
    }
  });
  const std::vector<std::int32_t> labels =
      run.world.all_gather(std::span<const std::int32_t>(mine));
  const std::vector<double> recall = run.world.all_gather(std::span<const double>(my_recall));
  run.world.on_root([&] {
    if (const double lowest = std::ranges::min(recall); lowest < 1)
      run.log.info(
          fmt::format("cluster    nearest spots found by hnswlib; of 1000 spots' nearest it finds "
                      "{:.2f} % or more in every model",
                      100 * lowest));
    write_labels(run.directory.clusters(), run.fingerprints.of(Stage::cluster), config.models,
                 labels);
  });
}

}  // namespace stamarker
