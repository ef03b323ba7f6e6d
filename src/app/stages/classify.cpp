#include <fmt/core.h>

#include <algorithm>
#include <exception>

#include "app/run/interruption.hpp"
#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"
#include "model/classifier.hpp"

namespace stamarker {
namespace {

/// Classifiers of these models, each trained by one thread, which is all that a batch keeps busy.
std::vector<Classifier> train_side_by_side(const RunContext& run, const Domains& domains,
                                           std::span<const int> models) {
  const auto n = static_cast<int>(models.size());
  std::vector<std::vector<float>> embeddings;
  for (const int m : models)
    embeddings.push_back(read_model_embedding(run.directory.model(m),
                                              static_cast<std::int64_t>(domains.of_spot.size()),
                                              run.config.autoencoder.n_latent));
  std::vector<Classifier> trained(models.size());
  std::vector<std::exception_ptr> failure(models.size());
#pragma omp parallel for schedule(dynamic) num_threads(n)
  for (int k = 0; k < n; ++k) {
    try {
      trained[k] = train_classifier(run.backend, embeddings[k], run.config.autoencoder.n_latent,
                                    domains.of_spot, domains.n, run.config.classifier,
                                    run.config.seed, models[k]);
    } catch (...) {
      failure[k] = std::current_exception();
    }
  }
  for (const std::exception_ptr& each : failure)
    if (each) std::rethrow_exception(each);
  return trained;
}

}  // namespace

void classify_stage(RunContext& run) {
  run.world.together_in_steps([&](const Others& others) {
    const Domains domains =
        read_domains(run.directory.consensus(), read_n_spots(run.directory.prepared()));
    const std::string& fingerprint = run.fingerprints.of(Stage::classify);
    std::vector<int> missing;
    for (int m = run.my_models().begin; m < run.my_models().end; ++m)
      if (fingerprint_of_file(run.directory.classifier(m)) != fingerprint) missing.push_back(m);
    const int n = static_cast<int>(missing.size());
    const int at_once = run.backend.free_bytes() ? 1 : classifiers_side_by_side(run.n_threads, n);
    Progress progress(run.log, "classify", n);
    for (int first = 0; first < n; first += at_once) {
      if (is_interrupted() || others.have_failed())
        return;  // files so far are whole; the run ends after this stage
      const auto models = std::span(missing).subspan(first, std::min(at_once, n - first));
      const std::vector<Classifier> trained = train_side_by_side(run, domains, models);
      for (std::size_t k = 0; k < trained.size(); ++k)
        write_classifier(run.directory.classifier(models[k]), fingerprint, trained[k]);
      progress.at(first + static_cast<int>(models.size()),
                  [&] { return fmt::format("model {}", models.back()); });
    }
  });
}

}  // namespace stamarker
