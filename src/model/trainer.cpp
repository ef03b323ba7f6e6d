#include "model/trainer.hpp"

#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "data/tiles.hpp"
#include "kernels/buffer.hpp"
#include "model/parameters.hpp"
#include "model/step_memory.hpp"

namespace stamarker {

struct TrainingSection::Content {
  Backend* backend;
  std::vector<DeviceTile> tiles;
  TileExtent extent;
  int n_spots = 0, n_genes = 0;   // of the whole section
  double squared_expression = 0;  // |X|^2 of the whole section
};

namespace {

std::vector<double> work_per_spot(const SparseRows& x, int n_hidden) {
  std::vector<double> work(static_cast<std::size_t>(x.n_rows));
  for (int i = 0; i < x.n_rows; ++i)
    work[i] = static_cast<double>(x.row_start[i + 1] - x.row_start[i]) + n_hidden;
  return work;
}

constexpr int dense_work_per_spot = 512;  // of a row's dense products, in units of one non-zero

}  // namespace

TrainingSection::TrainingSection(Backend& backend, const PreparedData& data, int n_tiles,
                                 int tile_rank, int n_tile_ranks)
    : content_(std::make_unique<Content>()) {
  expects(n_tiles % n_tile_ranks == 0, "as many tiles on every tile rank");
  Content& content = *content_;
  content.backend = &backend;
  content.n_spots = data.n_spots();
  content.n_genes = data.n_genes();
  for (const float v : data.expression.value)
    content.squared_expression += static_cast<double>(v) * v;
  const auto parts =
      bisect(data.coordinates, work_per_spot(data.expression, dense_work_per_spot), n_tiles);
  const int n_mine = n_tiles / n_tile_ranks;
  for (int t = tile_rank * n_mine; t < (tile_rank + 1) * n_mine; ++t) {
    content.tiles.emplace_back(backend, make_tile(data.graph, parts[t], Halo::sources),
                               data.expression);
    content.extent.cover(content.tiles.back());
  }
}
TrainingSection::~TrainingSection() = default;
TrainingSection::TrainingSection(TrainingSection&&) noexcept = default;

/// What one rank holds of one model in training.
struct Trainer::Memory {
  Memory(const TrainingSection::Content& of, const AutoencoderOptions& how, RandomKey draws,
         TileReduction& sums, ParameterLayout sizes)
      : section(of),
        backend(*of.backend),
        options(how),
        neighbor_key(draws),
        reduction(sums),
        layout(sizes),
        activations(backend, of.extent, how.n_hidden, how.n_latent),
        weights(backend, sizes.n_weights()),
        gradient(backend, sizes.n_gradients() + gram_size()),
        moments(backend, sizes.n_moments()),
        s(backend, gram_size()),
        sums_in_double(backend, 3) {}

  std::size_t gram_size() const { return std::size_t(options.n_hidden) * options.n_hidden; }
  /// P stands behind the gradients, so that one reduction sums both.
  Matrix p() {
    return {gradient.span().data + layout.n_gradients(), options.n_hidden, options.n_hidden};
  }

  void accumulate_tile(const DeviceTile& tile, DeviceSpan<double> dot);
  double loss_and_gradient();
  void update(double squared_norm);
  void train_one_epoch();
  std::vector<float> embedding();

  const TrainingSection::Content& section;
  Backend& backend;
  AutoencoderOptions options;
  RandomKey neighbor_key;
  TileReduction& reduction;
  ParameterLayout layout;
  StepMemory activations;
  Buffer<float> weights, gradient, moments, s;
  Buffer<double> sums_in_double;  // <Y, H3>, <S, P>, squared norm of the gradient
  int epoch = 0;
  std::vector<double> loss, gradient_norm;
};

/// Forward and backward pass of one tile; adds to the gradient, to P and to <Y, H3>.
void Trainer::Memory::accumulate_tile(const DeviceTile& tile, DeviceSpan<double> dot) {
  if (options.neighbors_per_step == Neighbors::one)
    activations.draw(backend, tile, neighbor_key, static_cast<std::uint32_t>(epoch));
  StepView step = activations.step(tile, options.neighbors_per_step);
  step.weights = layout.weights(weights.span().data);
  step.attention = options.attention;
  step.scale = static_cast<float>(2.0 / (static_cast<double>(section.n_spots) * section.n_genes));
  step.s = std::as_const(s).matrix(options.n_hidden, options.n_hidden);
  step.p = p();
  step.dot = dot;
  step.gradient = layout.gradient(gradient.span().data);

  backend.project(step);
  if (!step.single_source) backend.attend(step);
  backend.encode(step);
  backend.decode(step);
  backend.decoder_backward(step);
  backend.latent_backward(step);
  backend.encoder_backward(step);
  backend.weight_gradient(step);
}

/// The loss of the whole section before this step's update; leaves its gradient in `gradient`.
double Trainer::Memory::loss_and_gradient() {
  const WeightsView w = layout.weights(weights.span().data);
  backend.gram(w.w1, s.matrix(options.n_hidden, options.n_hidden));
  gradient.clear();
  sums_in_double.clear();
  const DeviceSpan<double> sums = sums_in_double.span();
  for (const DeviceTile& tile : section.tiles) accumulate_tile(tile, {sums.data, 1});
  reduction.sum(gradient.span());
  const GradientView g = layout.gradient(gradient.span().data);
  const double n = static_cast<double>(section.n_spots) * section.n_genes;
  backend.add_product(static_cast<float>(2 / n), w.w1, p(), g.decoder_w1);
  backend.dot(std::as_const(s).matrix(options.n_hidden, options.n_hidden), p(), {sums.data + 1, 1});
  backend.sum_of_squares({gradient.span().data, layout.n_gradients()}, {sums.data + 2, 1});
  std::vector<double> host = sums_in_double.to_host();
  reduction.sum(std::span(host.data(), 1));
  gradient_norm.push_back(std::sqrt(host[2]));
  return (section.squared_expression - 2 * host[0] + host[1]) / n;
}

void Trainer::Memory::train_one_epoch() {
  loss.push_back(loss_and_gradient());
  AdamStep step;
  step.learning_rate =
      static_cast<float>(options.learning_rate *
                         std::pow(static_cast<double>(options.gamma), epoch / options.step_size));
  step.weight_decay = options.weight_decay;
  step.clip_norm = options.clip_norm;
  step.step = ++epoch;
  backend.adam(step, weights.span(), layout.n_second(),
               {gradient.span().data, layout.n_gradients()}, moments.span(),
               {sums_in_double.span().data + 2, 1});
}

std::vector<float> Trainer::Memory::embedding() {
  const auto width = static_cast<std::size_t>(options.n_latent);
  std::vector<float> all(static_cast<std::size_t>(section.n_spots) * width, 0.0f);
  for (const DeviceTile& tile : section.tiles) {
    StepView step = activations.step(tile, Neighbors::all);
    step.weights = layout.weights(weights.span().data);
    step.attention = options.attention;
    backend.project(step);
    backend.attend(step);
    backend.encode(step);
    const auto own = tile.own_spots();
    std::vector<float> z(own.size() * width);
    backend.synchronize();
    backend.download(step.z.data, z.data(), z.size() * sizeof(float));
    for (std::size_t i = 0; i < own.size(); ++i)
      std::copy_n(z.begin() + static_cast<std::ptrdiff_t>(i * width), width,
                  all.begin() + static_cast<std::ptrdiff_t>(own[i] * width));
  }
  Buffer<float> shared(backend, std::span<const float>(all));
  reduction.sum(shared.span());
  return shared.to_host();
}

Trainer::Trainer(const TrainingSection& section, const AutoencoderOptions& options,
                 std::uint32_t seed, int model, TileReduction& reduction)
    : memory_(std::make_unique<Memory>(
          section.content(), options,
          RandomKey{seed, static_cast<std::uint32_t>(model), Purpose::neighbor}, reduction,
          ParameterLayout{section.content().n_genes, options.n_hidden, options.n_latent,
                          options.tied_update})) {
  memory_->weights.assign(initial_parameters(memory_->layout, seed, model));
  memory_->moments.clear();
}
Trainer::~Trainer() = default;

bool Trainer::run(const std::function<bool(int, double)>& after_epoch) {
  while (memory_->epoch < memory_->options.epochs) {
    memory_->train_one_epoch();
    const bool go_on = after_epoch(memory_->epoch, memory_->loss.back());
    if (!go_on) return memory_->epoch >= memory_->options.epochs;
  }
  return true;
}

TrainerState Trainer::state() const {
  return {memory_->epoch, memory_->weights.to_host(), memory_->moments.to_host(), memory_->loss,
          memory_->gradient_norm};
}

void Trainer::restore(const TrainerState& state) {
  expects(state.parameters.size() == memory_->weights.size() &&
              state.moments.size() == memory_->moments.size(),
          "a checkpoint of this layout");
  memory_->epoch = state.epoch;
  memory_->weights.assign(state.parameters);
  memory_->moments.assign(state.moments);
  memory_->loss = state.loss;
  memory_->gradient_norm = state.gradient_norm;
}

std::vector<float> Trainer::embedding() { return memory_->embedding(); }

}  // namespace stamarker
