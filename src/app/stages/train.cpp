#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "app/run/interruption.hpp"
#include "app/run/stage_files.hpp"
#include "app/run/tile_sum.hpp"
#include "app/stages/stages.hpp"
#include "base/error.hpp"
#include "model/trainer.hpp"

namespace stamarker {
namespace {

/// The ranks of one model group at work on their models.
class GroupTraining {
 public:
  GroupTraining(RunContext& run, const Comm& group)
      : run_(run),
        group_(group),
        sum_(group),
        models_(block_of(run.plan.group, run.plan.n_groups, run.config.models)),
        progress_(run.log, "train", static_cast<double>(models_.size()) * epochs()) {}

  /// Trains what is not trained yet; ends early, with everything saved, when asked to.
  void train_all(const PreparedData& data) {
    for (int m = models_.begin; m < models_.end; ++m) {
      const bool is_there = file_is_current(m);
      if (is_there && is_complete_model(run_.directory.model(m))) continue;
      if (!section_)
        section_.emplace(run_.backend, data, training_tiles(run_.config.compute, data.n_spots()),
                         run_.plan.tile_rank, run_.plan.n_tile_ranks);
      if (!train(m, data.n_spots(), is_there)) return;
    }
  }

 private:
  int epochs() const { return run_.config.autoencoder.epochs; }

  bool file_is_current(int m) const {
    return fingerprint_of_file(run_.directory.model(m)) == run_.fingerprints.of(Stage::train);
  }

  /// False when it was asked to end before the last epoch.
  bool train(int m, int n_spots, bool continues) {
    Trainer trainer(run_.backend, *section_, run_.config.autoencoder, run_.config.seed, m, sum_);
    if (continues) trainer.restore(read_model(run_.directory.model(m)).state);
    std::string failure;
    while (!trainer.is_done() && failure.empty()) {
      trainer.enqueue(1);
      trainer.wait();
      const double loss = trainer.loss().back();
      if (!std::isfinite(loss))
        failure = fmt::format(
            "autoencoder.learning_rate = {} (the loss of model {} is no number "
            "after {} epochs; use a smaller one)",
            run_.config.autoencoder.learning_rate, m, trainer.epoch());
      report(m, trainer.epoch(), loss);
      if (any_is_interrupted()) break;
    }
    group_.agree(failure);
    ModelFile model{trainer.state(), n_spots, {}};
    if (trainer.is_done()) model.embedding = trainer.embedding();
    group_.on_root(
        [&] { write_model(run_.directory.model(m), run_.fingerprints.of(Stage::train), model); });
    return trainer.is_done();
  }

  bool any_is_interrupted() const {
    return group_.size() == 1 ? is_interrupted() : group_.max(is_interrupted() ? 1 : 0) == 1;
  }

  void report(int m, int epoch, double loss) {
    const int before = m - models_.begin;
    progress_.at(static_cast<double>(before) * epochs() + epoch, [&] {
      return fmt::format("model {} of {} on this rank, epoch {} of {}, loss {:.5f}", before + 1,
                         models_.size(), epoch, epochs(), loss);
    });
  }

  RunContext& run_;
  const Comm& group_;
  TileSum sum_;
  Block models_;
  Progress progress_;
  std::optional<TrainingSection> section_;
};

void report_losses(const RunContext& run) {
  run.world.on_root([&] {
    double lowest = INFINITY, highest = -INFINITY;
    for (int m = 0; m < run.config.models; ++m) {
      const std::vector<double> loss = read_model_losses(run.directory.model(m));
      if (loss.empty()) return;
      lowest = std::min(lowest, loss.back());
      highest = std::max(highest, loss.back());
      run.log.file_only(fmt::format("model {}: loss {:.6f} at first, {:.6f} after {} epochs", m,
                                    loss.front(), loss.back(), loss.size()));
    }
    run.log.info(fmt::format("trained    {} models, {} epochs each, loss {:.5f} to {:.5f}",
                             run.config.models, run.config.autoencoder.epochs, lowest, highest));
  });
}

}  // namespace

void train_stage(RunContext& run) {
  const PreparedData& data = run.data();
  const Comm group = run.world.split(run.plan.group);
  run.world.together([&] { GroupTraining(run, group).train_all(data); });
  run.stop_if_interrupted();
  report_losses(run);
}

}  // namespace stamarker
