#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "app/run/stage_files.hpp"
#include "app/run/warnings.hpp"
#include "app/stages/group_training.hpp"
#include "app/stages/stages.hpp"
#include "base/text.hpp"

namespace stamarker {
namespace {

void report_losses(RunContext& run) {
  run.world.on_root([&] {
    double first = 0, last = 0, lowest = INFINITY, highest = -INFINITY;
    std::vector<std::vector<double>> losses;
    for (int m = 0; m < run.config.models; ++m) {
      losses.push_back(read_model_losses(run.directory.model(m), run.config.autoencoder.epochs));
      const std::vector<double>& loss = losses.back();
      if (loss.empty()) return;
      first += loss.front() / run.config.models;
      last += loss.back() / run.config.models;
      lowest = std::min(lowest, loss.back());
      highest = std::max(highest, loss.back());
      run.log.file_only(fmt::format("model {}: loss {:.6f} at first, {:.6f} after {}", m,
                                    loss.front(), loss.back(), counted(std::ssize(loss), "epoch")));
    }
    run.log.info(
        fmt::format("trained    {}, {} each: mean loss {:.5f} at first, {:.5f} at last ({:.5f} "
                    "to {:.5f} over models)",
                    counted(run.config.models, "model"),
                    counted(run.config.autoencoder.epochs, "epoch"), first, last, lowest, highest));
    run.warn(warnings_of_train(losses));
  });
}

}  // namespace

void train_stage(RunContext& run) {
  const PreparedData& data = run.tables();
  const Comm group = run.world.split(run.plan.group);
  run.world.together_in_steps(
      [&](const Others& others) { train_models_of_group(run, group, others, data); });
  run.stop_if_interrupted();
  report_losses(run);
}

}  // namespace stamarker
