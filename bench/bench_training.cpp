// One training epoch, whole and operation by operation.
//   build/release/bench/bench_training --benchmark_filter='Epoch'
//   OMP_NUM_THREADS sets the threads.
#include <benchmark/benchmark.h>

#include <utility>

#include "kernels/buffer.hpp"
#include "model/step_memory.hpp"
#include "model/trainer.hpp"
#include "random_section.hpp"

namespace stamarker::bench {
namespace {

enum Profile { reference = 0, full = 1 };

AutoencoderOptions options_of(Profile profile) {
  AutoencoderOptions options;
  options.epochs = 1 << 16;
  if (profile == reference) {
    options.neighbors_per_step = Neighbors::one;
    options.tied_update = TiedUpdate::split;
    options.attention = Attention::leaky_relu;
    options.learning_rate = 1e-4f;
  }
  return options;
}

/// Arguments: profile, spots, density in 1/1000. 3000 genes, H 512, L 30.
void Epoch(benchmark::State& state) {
  const auto backend = make_backend(Device::cpu);
  const PreparedData data =
      random_section(static_cast<int>(state.range(1)), 3000, state.range(2) / 1000.0);
  TileReduction alone;
  const TrainingSection section(*backend, data, 1);
  Trainer trainer(*backend, section, options_of(static_cast<Profile>(state.range(0))), 0, 0, alone);
  const auto one_epoch = [&] {
    trainer.enqueue(1);
    trainer.wait();
  };
  one_epoch();
  for ([[maybe_unused]] auto turn : state) one_epoch();
}
BENCHMARK(Epoch)
    ->ArgNames({"profile", "spots", "density"})
    ->Args({reference, 3639, 105})
    ->Args({full, 3639, 105})
    ->Args({reference, 25641, 30})
    ->Args({full, 25641, 30})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// One operation of the chain on 3639 spots at 10.5 %.
class Operation : public benchmark::Fixture {
 public:
  void SetUp(benchmark::State& state) override {
    const auto neighbors = state.range(0) == reference ? Neighbors::one : Neighbors::all;
    const auto update = state.range(0) == reference ? TiedUpdate::split : TiedUpdate::joint;
    backend = make_backend(Device::cpu);
    const PreparedData data = random_section(3639, 3000, 0.105);
    std::vector<std::int32_t> all(3639);
    for (int i = 0; i < 3639; ++i) all[i] = i;
    tile = std::make_unique<DeviceTile>(*backend, make_tile(data.graph, all, Halo::sources),
                                        data.expression);
    TileExtent extent;
    extent.cover(*tile);
    layout = {3000, 512, 30, update};
    memory = std::make_unique<StepMemory>(*backend, extent, 512, 30);
    weights = std::make_unique<Buffer<float>>(
        *backend, std::span<const float>(initial_parameters(layout, 0, 0)));
    gradient = std::make_unique<Buffer<float>>(*backend, layout.n_gradients() + 512 * 512);
    moments = std::make_unique<Buffer<float>>(*backend, layout.n_moments());
    gram = std::make_unique<Buffer<float>>(*backend, 512 * 512);
    sums = std::make_unique<Buffer<double>>(*backend, 2);
    gradient->clear();
    moments->clear();
    sums->clear();
    epoch = std::make_unique<Buffer<std::int32_t>>(*backend, 1);
    epoch->clear();
    memory->draw(*backend, *tile, {0, 0, Purpose::neighbor}, epoch->span());
    step = memory->step(*tile, neighbors);
    step.weights = layout.weights(weights->span().data);
    step.scale = 1e-7f;
    step.s = std::as_const(*gram).matrix(512, 512);
    step.p = {gradient->span().data + layout.n_gradients(), 512, 512};
    step.dot = {sums->span().data, 1};
    step.gradient = layout.gradient(gradient->span().data);
    backend->gram(step.weights.w1, gram->matrix(512, 512));
    backend->project(step);
    if (!step.single_source) backend->attend(step);
    backend->encode(step);
    backend->decode(step);
    backend->decoder_backward(step);
  }
  void TearDown(benchmark::State&) override {
    tile.reset(), memory.reset(), weights.reset(), gradient.reset(), moments.reset(), gram.reset();
    sums.reset(), epoch.reset(), backend.reset();
  }

  std::unique_ptr<Backend> backend;
  std::unique_ptr<DeviceTile> tile;
  std::unique_ptr<StepMemory> memory;
  ParameterLayout layout;
  std::unique_ptr<Buffer<float>> weights, gradient, moments, gram;
  std::unique_ptr<Buffer<double>> sums;
  std::unique_ptr<Buffer<std::int32_t>> epoch;
  StepView step;
};

#define STM_OPERATION(name, call)                                 \
  BENCHMARK_DEFINE_F(Operation, name)(benchmark::State & state) { \
    for ([[maybe_unused]] auto turn : state) call;                \
  }                                                               \
  BENCHMARK_REGISTER_F(Operation, name)                           \
      ->ArgName("profile")                                        \
      ->Arg(reference)                                            \
      ->Arg(full)                                                 \
      ->Unit(benchmark::kMillisecond)                             \
      ->UseRealTime();

STM_OPERATION(Gram, backend->gram(step.weights.w1, gram->matrix(512, 512)))
STM_OPERATION(Project, backend->project(step))
STM_OPERATION(Attend, if (!step.single_source) backend->attend(step))
STM_OPERATION(Draw, memory->draw(*backend, *tile, {0, 0, Purpose::neighbor}, epoch->span()))
STM_OPERATION(Encode, backend->encode(step))
STM_OPERATION(Decode, backend->decode(step))
STM_OPERATION(DecoderBackward, backend->decoder_backward(step))
STM_OPERATION(LatentBackward, backend->latent_backward(step))
STM_OPERATION(EncoderBackward, backend->encoder_backward(step))
STM_OPERATION(WeightGradient, backend->weight_gradient(step))
STM_OPERATION(AddProduct, backend->add_product(1e-7f, step.weights.w1, step.p, step.gradient.w1))
STM_OPERATION(SumOfSquares,
              backend->sum_of_squares({gradient->span().data, layout.n_gradients()}, sums->span()))
STM_OPERATION(Adam, backend->adam({1e-6f, 1, 1, 1e-4f, 5}, epoch->span(), weights->span(),
                                  layout.n_second(), {gradient->span().data, layout.n_gradients()},
                                  moments->span(), {sums->span().data, 1}))

}  // namespace
}  // namespace stamarker::bench

BENCHMARK_MAIN();
