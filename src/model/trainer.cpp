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
  std::vector<DeviceTile> tiles;
  TileExtent extent;
  int n_spots = 0, n_genes = 0;  // of the whole section
  int n_tile_ranks = 1;
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
  content.n_spots = data.n_spots();
  content.n_genes = data.n_genes();
  content.n_tile_ranks = n_tile_ranks;
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
  backend.synchronize();  // other queues read it
}
TrainingSection::~TrainingSection() = default;
TrainingSection::TrainingSection(TrainingSection&&) noexcept = default;

/// What one rank holds of one model in training.
struct Trainer::Memory {
  Memory(Backend& queue, const TrainingSection::Content& of, const AutoencoderOptions& how,
         RandomKey draws, TileReduction& over_ranks, ParameterLayout sizes)
      : section(of),
        backend(queue),
        options(how),
        neighbor_key(draws),
        reduction(over_ranks),
        layout(sizes),
        activations(backend, of.extent, how.n_hidden, how.n_latent),
        weights(backend, sizes.n_weights()),
        gradient(backend, sizes.n_gradients() + gram_size()),
        moments(backend, sizes.n_moments()),
        s(backend, gram_size()),
        sums(backend, n_sums),
        history(backend, static_cast<std::size_t>(how.epochs) * n_sums),
        epochs_done(backend, 1) {
    moments.clear();
    epochs_done.clear();
  }

  static constexpr int n_sums = 3;

  std::size_t gram_size() const { return std::size_t(options.n_hidden) * options.n_hidden; }
  /// P stands behind the gradients, so that one reduction sums both.
  Matrix p() {
    return {gradient.span().data + layout.n_gradients(), options.n_hidden, options.n_hidden};
  }

  void accumulate_tile(const DeviceTile& tile, DeviceSpan<double> dot);
  void accumulate_gradient();
  void enqueue_epoch();
  void enqueue(int n);
  void wait();
  std::vector<float> embedding();

  const TrainingSection::Content& section;
  Backend& backend;
  AutoencoderOptions options;
  RandomKey neighbor_key;
  TileReduction& reduction;
  ParameterLayout layout;
  StepMemory activations;
  Buffer<float> weights, gradient, moments, s;
  Buffer<double> sums;     // <Y, H3>, <S, P>, squared norm of the gradient
  Buffer<double> history;  // [epochs, n_sums]
  Buffer<std::int32_t> epochs_done;
  int epoch = 0;  // steps done and enqueued
  bool has_run = false;
  std::unique_ptr<Recording> recording;
  std::vector<double> loss, gradient_norm;  // of the steps waited for
};

/// Forward and backward pass of one tile; adds to the gradient, to P and to <Y, H3>.
void Trainer::Memory::accumulate_tile(const DeviceTile& tile, DeviceSpan<double> dot) {
  if (options.neighbors_per_step == Neighbors::one)
    activations.draw(backend, tile, neighbor_key, epochs_done.span());
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

/// Leaves the gradient of the whole section's loss in `gradient`, and in `sums` what the loss is
/// made of.
void Trainer::Memory::accumulate_gradient() {
  const WeightsView w = layout.weights(weights.span().data);
  backend.gram(w.w1, s.matrix(options.n_hidden, options.n_hidden));
  gradient.clear();
  sums.clear();
  const DeviceSpan<double> out = sums.span();
  for (const DeviceTile& tile : section.tiles) accumulate_tile(tile, {out.data, 1});
  reduction.sum(gradient.span());
  reduction.sum(DeviceSpan<double>(out.data, 1));
  const GradientView g = layout.gradient(gradient.span().data);
  const double n = static_cast<double>(section.n_spots) * section.n_genes;
  backend.add_product(static_cast<float>(2 / n), w.w1, p(), g.decoder_w1);
  backend.dot(std::as_const(s).matrix(options.n_hidden, options.n_hidden), p(), {out.data + 1, 1});
  backend.sum_of_squares({gradient.span().data, layout.n_gradients()}, {out.data + 2, 1});
}

void Trainer::Memory::enqueue_epoch() {
  accumulate_gradient();
  const AdamOptions adam{options.learning_rate, options.gamma, options.step_size,
                         options.weight_decay, options.clip_norm};
  backend.adam(adam, epochs_done.span(), weights.span(), layout.n_second(),
               {gradient.span().data, layout.n_gradients()}, moments.span(),
               {sums.span().data + 2, 1});
  backend.finish_epoch(sums.span(), history.matrix(options.epochs, n_sums), epochs_done.span());
}

/// Every epoch is the same sequence of operations, so a backend may learn it. Not where ranks
/// communicate within it.
void Trainer::Memory::enqueue(int n) {
  for (; n > 0 && epoch < options.epochs; --n, ++epoch) {
    if (!has_run || section.n_tile_ranks > 1) {
      enqueue_epoch();
      has_run = true;
      continue;
    }
    if (!recording) recording = backend.record([this] { enqueue_epoch(); });
    recording->replay();
  }
}

void Trainer::Memory::wait() {
  const auto n_known = loss.size(), n_new = static_cast<std::size_t>(epoch) - n_known;
  const std::vector<double> rows = history.to_host(n_known * n_sums, n_new * n_sums);
  const double n = static_cast<double>(section.n_spots) * section.n_genes;
  for (std::size_t k = 0; k < rows.size(); k += n_sums) {
    loss.push_back((section.squared_expression - 2 * rows[k] + rows[k + 1]) / n);
    gradient_norm.push_back(std::sqrt(rows[k + 2]));
  }
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

Trainer::Trainer(Backend& queue, const TrainingSection& section, const AutoencoderOptions& options,
                 std::uint32_t seed, int model, TileReduction& reduction)
    : memory_(std::make_unique<Memory>(
          queue, section.content(), options,
          RandomKey{seed, static_cast<std::uint32_t>(model), Purpose::neighbor}, reduction,
          ParameterLayout{section.content().n_genes, options.n_hidden, options.n_latent,
                          options.tied_update})) {
  memory_->weights.assign(initial_parameters(memory_->layout, seed, model));
}
Trainer::~Trainer() = default;

void Trainer::enqueue(int n) { memory_->enqueue(n); }
void Trainer::wait() { memory_->wait(); }
int Trainer::epoch() const { return memory_->epoch; }
int Trainer::n_epochs() const { return memory_->options.epochs; }
const std::vector<double>& Trainer::loss() const { return memory_->loss; }

TrainerState Trainer::state() {
  wait();
  return {memory_->epoch, memory_->weights.to_host(), memory_->moments.to_host(), memory_->loss,
          memory_->gradient_norm};
}

void Trainer::restore(const TrainerState& state) {
  Memory& memory = *memory_;
  expects(state.parameters.size() == memory.weights.size() &&
              state.moments.size() == memory.moments.size() &&
              state.loss.size() == static_cast<std::size_t>(state.epoch),
          "a checkpoint of this layout");
  memory.epoch = state.epoch;
  const std::int32_t done = state.epoch;
  memory.epochs_done.assign(std::span(&done, 1));
  memory.weights.assign(state.parameters);
  memory.moments.assign(state.moments);
  memory.loss = state.loss;
  memory.gradient_norm = state.gradient_norm;
}

std::vector<float> Trainer::embedding() { return memory_->embedding(); }

}  // namespace stamarker
