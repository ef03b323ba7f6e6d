#include <fmt/format.h>

#include "app/run/interruption.hpp"
#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"
#include "model/classifier.hpp"

namespace stamarker {

void classify_stage(RunContext& run) {
  const Config& config = run.config;
  run.world.together([&] {
    const Domains domains = read_domains(run.directory.consensus());
    Progress progress(run.log, "classify", run.my_models().size());
    for (int m = run.my_models().begin; m < run.my_models().end; ++m) {
      const std::string file = run.directory.classifier(m);
      if (is_interrupted()) return;  // files so far are whole; the run ends after this stage
      if (fingerprint_of_file(file) == run.fingerprints.of(Stage::classify)) continue;
      const Classifier classifier = train_classifier(
          run.backend, read_model_embedding(run.directory.model(m)), config.autoencoder.n_latent,
          domains.of_spot, domains.n, config.classifier, config.seed, m);
      write_classifier(file, run.fingerprints.of(Stage::classify), classifier);
      progress.at(m + 1 - run.my_models().begin, [&] { return fmt::format("model {}", m); });
    }
  });
}

}  // namespace stamarker
