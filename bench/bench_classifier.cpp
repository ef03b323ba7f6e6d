// Training of one model's classifier as the pipeline does it: 4226 spots, 30 -> 30 -> 7, 300
// epochs.
//   build/release/bench/bench_classifier
//   OMP_NUM_THREADS sets the threads.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <vector>

#include "embedding_sample.hpp"
#include "kernels/backend.hpp"
#include "model/classifier.hpp"
#include "times.hpp"

namespace stamarker::bench {
namespace {

/// Argument: profile, 0 `reference` (linear layers, batch_softmax), 1 `full` (elu, cross_entropy).
void ClassifierTraining(benchmark::State& state) {
  constexpr int n_spots = 4226, n_latent = 30, n_domains = 7;
  const auto backend = make_backend(Device::cpu);
  const auto embedding = embedding_sample(n_spots, n_latent, n_domains, 1);
  std::vector<std::int32_t> domain;
  for (int i = 0; i < n_spots; ++i)
    domain.push_back(static_cast<std::int32_t>(
        std::clamp(3.5f + embedding[static_cast<std::size_t>(i) * n_latent], 0.0f, 6.5f)));
  ClassifierOptions options;
  if (state.range(0) == 0) {
    options.activation = Activation::none;
    options.loss = ClassifierLoss::batch_softmax;
  }
  for ([[maybe_unused]] auto turn : state) {
    const Classifier trained =
        train_classifier(*backend, embedding, n_latent, domain, n_domains, options, 0, 0);
    state.counters["held_out_accuracy"] = trained.held_out_accuracy;
  }
}
BENCHMARK(ClassifierTraining)->ArgName("full")->Arg(0)->Arg(1)->Apply(wall_and_processor_time);

}  // namespace
}  // namespace stamarker::bench

BENCHMARK_MAIN();
