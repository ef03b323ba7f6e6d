#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "app/run/interruption.hpp"
#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"
#include "cluster/clustering.hpp"

namespace stamarker {
namespace {

/// One file for all models in the place of one for each.
void join_labels(const RunContext& run) {
  const int n_models = run.config.models;
  const std::int64_t n_spots = read_n_spots(run.directory.prepared());
  std::vector<std::int32_t> labels;
  for (int m = 0; m < n_models; ++m) {
    const std::vector<std::int32_t> of_model = read_labels(run.directory.labels(m), 1, n_spots);
    labels.insert(labels.end(), of_model.begin(), of_model.end());
  }
  write_labels(run.directory.clusters(), run.fingerprints.of(Stage::cluster), n_models, labels);
  std::error_code ignored;
  for (int m = 0; m < n_models; ++m) std::filesystem::remove(run.directory.labels(m), ignored);
}

}  // namespace

void cluster_stage(RunContext& run) {
  const Config& config = run.config;
  const std::string& fingerprint = run.fingerprints.of(Stage::cluster);
  double recall = 1;  // the lowest of the models clustered here
  run.world.together_in_steps([&](const Others& others) {
    Progress progress(run.log, "cluster", run.my_models().size());
    for (int m = run.my_models().begin; m < run.my_models().end; ++m) {
      const std::string file = run.directory.labels(m);
      if (is_interrupted() || others.have_failed()) return;  // files so far are whole
      if (fingerprint_of_file(file) == fingerprint) continue;
      const std::vector<float> embedding =
          read_model_embedding(run.directory.model(m), read_n_spots(run.directory.prepared()),
                               config.autoencoder.n_latent);
      const Clusters clusters = cluster(embedding, config.autoencoder.n_latent, config.clustering,
                                        config.seed, m, config.domains);
      write_labels(file, fingerprint, 1, clusters.labels);
      recall = std::min(recall, clusters.recall);
      progress.at(m + 1 - run.my_models().begin, [&] { return fmt::format("model {}", m); });
    }
  });
  run.stop_if_interrupted();
  if (const double lowest = -run.world.max(-recall); lowest < 1)
    run.log.info(
        fmt::format("cluster    nearest spots found by hnswlib; of 1000 spots' nearest it finds "
                    "{:.2f} % or more in every model",
                    100 * lowest));
  run.world.on_root([&] { join_labels(run); });
}

}  // namespace stamarker
