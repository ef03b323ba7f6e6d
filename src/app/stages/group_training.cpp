#include "app/stages/group_training.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>

#include "app/run/interruption.hpp"
#include "app/run/memory_plan.hpp"
#include "app/run/stage_files.hpp"
#include "app/run/tile_sum.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "kernels/device_memory.hpp"
#include "model/trainer.hpp"

namespace stamarker {
namespace {

/// A model in training and the stream that it has to itself.
struct Flight {
  Backend* stream = nullptr;
  int model = 0;
  std::unique_ptr<Trainer> trainer;  // none: free for the next model
};

/// The ranks of one model group at work on their models.
class GroupTraining {
 public:
  GroupTraining(RunContext& run, const Comm& group, const Others& others, const PreparedData& data)
      : run_(run),
        group_(group),
        others_(others),
        data_(data),
        free_at_first_(run.backend.free_bytes()),
        sum_(group, run.backend),
        models_(block_of(run.plan.group, run.plan.n_groups, run.config.models)),
        progress_(run.log, "train", static_cast<double>(models_.size()) * epochs()) {}

  /// Trains what is not trained yet; ends early, with everything saved, when asked to.
  void train_all() {
    std::vector<int> waiting;
    group_.together([&] {
      for (int m = models_.end; m-- > models_.begin;)
        if (!file_is_current(m) || !is_complete_model(run_.directory.model(m)))
          waiting.push_back(m);
    });
    if (waiting.empty()) return;
    n_done_ = models_.size() - static_cast<int>(waiting.size());
    group_.together([&] {
      or_advise([&] {
        section_.emplace(run_.backend, data_, PreparedExpression(run_.directory.prepared()),
                         training_tiles(run_.config.compute, data_.n_spots()), run_.plan.tile_rank,
                         run_.plan.n_tile_ranks);
        make_flights(static_cast<int>(waiting.size()));
      });
    });
    or_end_job([&] { section_->add_up(sum_); });
    while (true) {
      group_.together([&] { or_advise([&] { launch(waiting); }); });
      if (!is_any_in_flight()) break;
      or_end_job([&] {
        advance();
        for (Flight& flight : flights_)
          if (flight.trainer && flight.trainer->is_done()) finish(flight);
      });
      const Due due = what_is_due();
      if (due == Due::nothing) continue;
      for (Flight& flight : flights_)
        if (flight.trainer) save(flight);
      if (due == Due::end) return;
      last_save_ = Clock::now();
    }
  }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Due { nothing, checkpoint, end };

  int epochs() const { return run_.config.autoencoder.epochs; }

  bool file_is_current(int m) const {
    return fingerprint_of_file(run_.directory.model(m)) == run_.fingerprints.of(Stage::train);
  }

  void make_flights(int n_waiting) {
    const int n = models_in_flight(run_.config.compute, run_.backend.free_bytes(),
                                   Trainer::bytes(*section_, run_.config.autoencoder), n_waiting);
    flights_.resize(static_cast<std::size_t>(n));
    for (Flight& flight : flights_) {
      if (&flight != flights_.data()) streams_.push_back(run_.make_stream());
      flight.stream = streams_.empty() ? &run_.backend : streams_.back().get();
    }
  }

  /// Does `work`; where the device's memory runs out, says what would fit.
  void or_advise(const std::function<void()>& work) const {
    try {
      work();
    } catch (const OutOfDeviceMemory& error) {
      throw InputError(advised(error));
    }
  }

  /// The same for work amid which the ranks of the group sum: where one of them runs out of memory
  /// the others wait for it in the sum and cannot be told, so that the error must end the job.
  void or_end_job(const std::function<void()>& work) const {
    try {
      work();
    } catch (const OutOfDeviceMemory& error) {
      if (group_.size() == 1) throw InputError(advised(error));
      throw LibraryError("GPU memory", advised(error));
    }
  }

  std::string advised(const OutOfDeviceMemory& error) const {
    const PreparedExpression expression(run_.directory.prepared());
    const SectionSize size(data_, expression.row_start().back());
    return error
        .advising(what_fits_on_device(size, run_.config, run_.plan,
                                      static_cast<double>(free_at_first_.value_or(0))))
        .what();
  }

  bool is_any_in_flight() const {
    return std::ranges::any_of(flights_, [](const Flight& f) { return f.trainer != nullptr; });
  }

  /// Gives waiting models, the last first, to flights that are free.
  void launch(std::vector<int>& waiting) {
    for (Flight& flight : flights_) {
      if (flight.trainer || waiting.empty()) continue;
      const int m = flight.model = waiting.back();
      waiting.pop_back();
      flight.trainer = std::make_unique<Trainer>(*flight.stream, *section_, run_.config.autoencoder,
                                                 run_.config.seed, m, sum_);
      if (file_is_current(m))
        flight.trainer->restore(
            read_model_state(run_.directory.model(m), flight.trainer->layout()));
    }
  }

  /// Some epochs of all models in flight. A device with a stream of its own is left to itself for a
  /// while, as it would otherwise wait for the host after every epoch.
  void advance() {
    const int n = run_.backend.free_bytes() ? 16 : 1;
    for (const Flight& flight : flights_)
      if (flight.trainer) flight.trainer->enqueue(n);
    std::string failure;
    for (const Flight& flight : flights_) {
      if (!flight.trainer) continue;
      flight.trainer->wait();
      if (failure.empty()) failure = failure_of(flight);
      report(flight);
    }
    if (!failure.empty()) throw InputError(failure);  // on every rank of the group
  }

  std::string failure_of(const Flight& flight) const {
    const std::vector<double>& loss = flight.trainer->loss();
    const auto bad = std::ranges::find_if(loss, [](double l) { return !std::isfinite(l); });
    if (bad == loss.end()) return {};
    return fmt::format(
        "autoencoder.learning_rate = {} (the loss of model {} is no number "
        "after {}; use a smaller one)",
        run_.config.autoencoder.learning_rate, flight.model,
        counted(bad - loss.begin() + 1, "epoch"));
  }

  /// The same on every rank of the group.
  Due what_is_due() const {
    const double minutes = run_.config.compute.checkpoint_minutes;
    const std::chrono::duration<double, std::ratio<60>> passed = Clock::now() - last_save_;
    Due due = minutes > 0 && passed.count() >= minutes ? Due::checkpoint : Due::nothing;
    if (is_interrupted() || others_.have_failed()) due = Due::end;
    return group_.size() == 1 ? due : static_cast<Due>(group_.max(static_cast<int>(due)));
  }

  void save(const Flight& flight) {
    Trainer& trainer = *flight.trainer;
    ModelFile model{trainer.state(), data_.n_spots(), {}};
    if (trainer.is_done()) model.embedding = trainer.embedding();
    group_.on_root([&] {
      write_model(run_.directory.model(flight.model), run_.fingerprints.of(Stage::train), model);
    });
  }

  void finish(Flight& flight) {
    save(flight);
    flight.trainer.reset();
    ++n_done_;
  }

  void report(const Flight& of) {
    double done = static_cast<double>(n_done_) * epochs();
    int n_flying = 0;
    for (const Flight& flight : flights_) {
      if (!flight.trainer) continue;
      done += flight.trainer->epoch();
      ++n_flying;
    }
    progress_.at(done, [&] {
      return fmt::format("model {} of {} on this rank{}, epoch {} of {}, loss {:.5f}",
                         of.model - models_.begin + 1, models_.size(),
                         n_flying > 1 ? fmt::format(" and {} beside it", n_flying - 1) : "",
                         of.trainer->epoch(), epochs(), of.trainer->loss().back());
    });
  }

  RunContext& run_;
  const Comm& group_;
  const Others& others_;
  const PreparedData& data_;
  std::optional<std::size_t> free_at_first_;  // of the device
  TileSum sum_;
  Block models_;
  Progress progress_;
  std::vector<std::unique_ptr<Backend>> streams_;  // of the second flight on
  std::optional<TrainingSection> section_;
  int n_done_ = 0;
  std::vector<Flight> flights_;
  Clock::time_point last_save_ = Clock::now();
};

}  // namespace

void train_models_of_group(RunContext& run, const Comm& group, const Others& others,
                           const PreparedData& data) {
  GroupTraining(run, group, others, data).train_all();
}

}  // namespace stamarker
