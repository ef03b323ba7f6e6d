#include "model/saliency.hpp"

#include <fmt/core.h>

#include "app/run/interruption.hpp"
#include "app/run/stage_files.hpp"
#include "app/stages/stages.hpp"

namespace stamarker {

void saliency_stage(RunContext& run) {
  const Config& config = run.config;
  const PreparedData& data = run.tables();
  const int n_tiles = saliency_tiles(data.n_spots());
  const Block tiles = block_of(run.world.rank(), run.world.size(), n_tiles);
  const std::string& fingerprint = run.fingerprints.of(Stage::saliency);
  run.world.together_in_steps([&](const Others& others) {
    if (tiles.size() == 0) return;
    const Domains domains = read_domains(run.directory.consensus(), data.n_spots());
    const PreparedExpression expression(run.directory.prepared());
    Tiling tiling = saliency_tiling(data);
    const ParameterLayout layout{data.n_genes(), config.autoencoder.n_hidden,
                                 config.autoencoder.n_latent, config.autoencoder.tied_update};
    const std::vector<int> widths =
        classifier_widths(config.autoencoder.n_latent, config.classifier, domains.n);
    std::vector<std::vector<float>> parameters;
    std::vector<Classifier> classifiers;
    for (int m = 0; m < config.models; ++m) {
      parameters.push_back(read_model_parameters(run.directory.model(m), layout));
      classifiers.push_back(read_classifier(run.directory.classifier(m), widths));
    }
    std::vector<StackedModel> models;
    models.reserve(parameters.size());
    for (int m = 0; m < config.models; ++m) models.push_back({parameters[m], &classifiers[m]});
    Progress progress(run.log, "saliency", tiles.size());
    for (int t = tiles.begin; t < tiles.end; ++t) {
      const std::string file = run.directory.saliency_tile(t);
      if (is_interrupted() || others.have_failed())
        return;  // files so far are whole; the run ends after this stage
      if (fingerprint_of_file(file) == fingerprint) continue;
      const TileSaliency tile =
          tile_saliency(run.backend, tiling.tile(t), expression, models, config.autoencoder,
                        config.classifier, domains.of_spot, config.svgs.transform);
      write_tile_saliency(file, fingerprint, tile, n_tiles, config.saliency.write);
      progress.at(t + 1 - tiles.begin, [&] { return fmt::format("tile {}", t); });
    }
  });
}

}  // namespace stamarker
